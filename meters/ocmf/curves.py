"""The seven curves of OCMF: names, constants, and the arithmetic to check points and signatures.

Pure integers, so that a key can be converted and checked without loading ``cryptography``, and so
that secp192k1, which it does not know, and curves that a distribution's OpenSSL was built without
can still be verified. Nothing here handles a secret, so nothing here runs in constant time.

Constants: SEC 2 (secp curves), RFC 5639 (brainpool curves); SPKI headers by RFC 5480.
"""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_ALGORITHM = "ECDSA-secp256r1-SHA256"
"""What a record without the field SA is signed with (OCMF 1.4 table 22)."""


class Curve(StrEnum):
    """An elliptic curve by its standard name."""

    SECP192K1 = "secp192k1"
    SECP192R1 = "secp192r1"
    SECP256K1 = "secp256k1"
    SECP256R1 = "secp256r1"
    BRAINPOOL_P256R1 = "brainpoolP256r1"
    SECP384R1 = "secp384r1"
    BRAINPOOL_P384R1 = "brainpoolP384r1"


@dataclass(frozen=True, slots=True)
class Domain:
    """Constants of a curve y^2 = x^3 + ax + b over the integers modulo ``p``.

    ``size`` is the bytes of one coordinate, ``header`` the hex of a SubjectPublicKeyInfo before
    the uncompressed point, ``gx`` and ``gy`` the generator, ``n`` its order. Every ``p`` here is 3
    modulo 4, which makes square roots one power.
    """

    size: int
    header: str
    p: int
    a: int
    b: int
    gx: int
    gy: int
    n: int


DOMAIN = {
    Curve.SECP192K1: Domain(
        size=24,
        header="3046301006072A8648CE3D020106052B8104001F033200",
        p=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFEE37,
        a=0,
        b=3,
        gx=0xDB4FF10EC057E9AE26B07D0280B7F4341DA5D1B1EAE06C7D,
        gy=0x9B2F2F6D9C5628A7844163D015BE86344082AA88D95E2F9D,
        n=0xFFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D,
    ),
    Curve.SECP192R1: Domain(
        size=24,
        header="3049301306072A8648CE3D020106082A8648CE3D030101033200",
        p=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFFFFFFFF,
        a=-3,
        b=0x64210519E59C80E70FA7E9AB72243049FEB8DEECC146B9B1,
        gx=0x188DA80EB03090F67CBF20EB43A18800F4FF0AFD82FF1012,
        gy=0x7192B95FFC8DA78631011ED6B24CDD573F977A11E794811,
        n=0xFFFFFFFFFFFFFFFFFFFFFFFF99DEF836146BC9B1B4D22831,
    ),
    Curve.SECP256K1: Domain(
        size=32,
        header="3056301006072A8648CE3D020106052B8104000A034200",
        p=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F,
        a=0,
        b=7,
        gx=0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
        gy=0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
        n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    ),
    Curve.SECP256R1: Domain(
        size=32,
        header="3059301306072A8648CE3D020106082A8648CE3D030107034200",
        p=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        a=-3,
        b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        gx=0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        gy=0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    Curve.BRAINPOOL_P256R1: Domain(
        size=32,
        header="305A301406072A8648CE3D020106092B2403030208010107034200",
        p=0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
        a=0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
        b=0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
        gx=0x8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262,
        gy=0x547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997,
        n=0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
    ),
    Curve.SECP384R1: Domain(
        size=48,
        header="3076301006072A8648CE3D020106052B81040022036200",
        p=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF,
        a=-3,
        b=0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        gx=0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        gy=0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
        n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    Curve.BRAINPOOL_P384R1: Domain(
        size=48,
        header="307A301406072A8648CE3D020106092B240303020801010B036200",
        p=0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123ACD3A729901D1A71874700133107EC53,
        a=0x7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8C7DD22CE2826,
        b=0x4A8C7DD22CE28268B39B55416F0447C2FB77DE107DCD2A62E880EA53EEB62D57CB4390295DBC9943AB78696FA504C11,
        gx=0x1D1C64F068CF45FFA2A63A81B7C13F6B8847A3E77EF14FE3DB7FCAFE0CBD10E8E826E03436D646AAEF87B2E247D4AF1E,
        gy=0x8ABE1D7520F9C2A45CB1EB8E95CFD55262B70B29FEEC5864E19C054FF99129280E4646217791811142820341263C5315,
        n=0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7CF3AB6AF6B7FC3103B883202E9046565,
    ),
}


def curve_of(algorithm: str) -> Curve | None:
    """The curve an algorithm name of field SA stands for; None if the name is not known.

    ``brainpool256r1`` (specification) and ``brainpoolP256r1`` (NZR, Carlo Gavazzi, the standard)
    are one curve; case does not matter. Any hash but SHA256 is unknown: OCMF defines no other.
    """
    head, _, rest = algorithm.strip().lower().partition("-")
    name, _, digest = rest.partition("-")
    if head != "ecdsa" or digest != "sha256":
        return None
    return _BY_NAME.get(name)


def algorithm_of(curve: Curve) -> str:
    """The algorithm name as the specification spells it (OCMF 1.4 table 22)."""
    return f"ECDSA-{curve.replace('poolP', 'pool')}-SHA256"


def contains(curve: Curve, x: int, y: int) -> bool:
    """Whether the point lies on the curve."""
    domain = DOMAIN[curve]
    inside = 0 <= x < domain.p and 0 <= y < domain.p
    return inside and (y * y - x * x * x - domain.a * x - domain.b) % domain.p == 0


def decompress(curve: Curve, x: int, *, odd: bool) -> int | None:
    """The y that belongs to ``x`` with the given parity; None if there is none."""
    domain = DOMAIN[curve]
    y = pow(x * x * x + domain.a * x + domain.b, (domain.p + 1) // 4, domain.p)
    if not contains(curve, x, y):
        return None
    return y if bool(y & 1) == odd else domain.p - y


def signature_holds(
    curve: Curve, point: tuple[int, int], digest: bytes, rs: tuple[int, int]
) -> bool:
    """The ECDSA equation (FIPS 186-5 section 6.4.2) in plain integers: 1 to 10 ms.

    The digest is cut to the length of the curve's order, as for 192-bit curves.
    """
    domain = DOMAIN[curve]
    r, s = rs
    if not (0 < r < domain.n and 0 < s < domain.n):
        return False
    e = int.from_bytes(digest[: domain.size], "big")
    w = pow(s, -1, domain.n)
    total = _twofold(domain, (e * w % domain.n, r * w % domain.n), point)
    return total is not None and (total - r) % domain.n == 0


_Jacobian = tuple[int, int, int]
_INFINITY: _Jacobian = (1, 1, 0)


def _twofold(domain: Domain, factors: tuple[int, int], point: tuple[int, int]) -> int | None:
    """The x of ``u1 * G + u2 * Q``, both products in one pass; None for the point at infinity."""
    p = domain.p
    g: _Jacobian = (domain.gx, domain.gy, 1)
    q: _Jacobian = (*point, 1)
    table = (_INFINITY, g, q, _add(domain, g, q))
    u1, u2 = factors
    total = _INFINITY
    for bit in reversed(range(max(u1.bit_length(), u2.bit_length()))):
        total = _double(domain, total)
        total = _add(domain, total, table[(u1 >> bit & 1) | (u2 >> bit & 1) << 1])
    x, _, z = total
    return None if z == 0 else x * pow(z, -2, p) % p


def _double(domain: Domain, point: _Jacobian) -> _Jacobian:
    x, y, z = point
    p = domain.p
    if z == 0 or y == 0:
        return _INFINITY
    yy = y * y % p
    s = 4 * x * yy % p
    m = (3 * x * x + domain.a * pow(z, 4, p)) % p
    new_x = (m * m - 2 * s) % p
    return new_x, (m * (s - new_x) - 8 * yy * yy) % p, 2 * y * z % p


def _add(domain: Domain, one: _Jacobian, other: _Jacobian) -> _Jacobian:
    if one[2] == 0:
        return other
    if other[2] == 0:
        return one
    p = domain.p
    (x1, y1, z1), (x2, y2, z2) = one, other
    z1z1, z2z2 = z1 * z1 % p, z2 * z2 % p
    u1, u2 = x1 * z2z2 % p, x2 * z1z1 % p
    s1, s2 = y1 * z2 * z2z2 % p, y2 * z1 * z1z1 % p
    h, r = (u2 - u1) % p, (s2 - s1) % p
    if h == 0:
        return _double(domain, one) if r == 0 else _INFINITY
    hh = h * h % p
    hhh, v = h * hh % p, u1 * hh % p
    x = (r * r - hhh - 2 * v) % p
    return x, (r * (v - x) - s1 * hhh) % p, h * z1 * z2 % p


_BY_NAME = {curve.lower(): curve for curve in Curve} | {
    curve.replace("poolP", "pool").lower(): curve for curve in Curve
}
