"""Reads JSON as meters write it: exact numbers, byte positions, nothing refused without need.

One reader serves two ends: finding where the payload object of a record stops (only structure
tells, because a free text may hold the separator ``|``), and building the typed view. It accepts
more than strict JSON where a signature over the bytes can still be checked - control characters,
unknown escapes, numbers with leading zeros - and reports each as a deviation. It refuses
NaN and infinities, which no exact number is.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from meters.ocmf.errors import OcmfError

Value: TypeAlias = "str | bool | Decimal | list[Value] | dict[str, Value] | None"

MAX_DEPTH = 64
"""Levels of nesting; a record needs three."""

_MAX_NUMBER = 64
_MAX_EXPONENT = 30

_BLANK = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_WORD = re.compile(r"[-+.\w]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_STRICT_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_CONTROL = re.compile(r"[\x00-\x1f]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Deviation:
    """Something a record does that the specification does not foresee.

    ``code`` is a stable word for programs, ``sentence`` the explanation, ``where`` the path of
    the field (``RD[0].RV``) or the part of the record it was found in.
    """

    code: str
    sentence: str
    where: str = ""


class Reader:
    """Reads one value after another from ``data``, beginning at byte ``position``.

    ``deviations`` grows while reading. All methods raise ``OcmfError`` with the byte at which the
    text stops making sense.
    """

    def __init__(self, data: bytes, position: int = 0) -> None:
        # One character per byte, so that positions are byte positions whatever the encoding.
        self._text = data.decode("latin-1")
        self.position = position
        self.deviations: list[Deviation] = []

    def skip_blanks(self) -> None:
        """Step over white space."""
        self.position = self._after(_BLANK)

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self._text[self.position : self.position + 1]

    def object(self, path: str = "", depth: int = 0) -> dict[str, Value]:
        """Read the object that begins here. Of two members with one name the last counts."""
        self._expect("{", path)
        found: dict[str, Value] = {}
        while not self._closes("}", path, first=not found):
            name = self._string(path)
            self.skip_blanks()
            self._expect(":", path)
            where = f"{path}.{name}" if path else name
            if name in found:
                self._note("duplicate-key", "The field stands here twice; the last counts.", where)
            found[name] = self._value(where, depth + 1)
        return found

    def _array(self, path: str, depth: int) -> list[Value]:
        self._expect("[", path)
        found: list[Value] = []
        while not self._closes("]", path, first=not found):
            found.append(self._value(f"{path}[{len(found)}]", depth + 1))
        return found

    def _closes(self, end: str, path: str, *, first: bool) -> bool:
        """Whether the container ends here; if not, stand before the next member."""
        self.skip_blanks()
        if self.peek() == end:
            self.position += 1
            return True
        if not first:
            self._expect(",", path)
            self.skip_blanks()
        return False

    def _value(self, path: str, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise OcmfError(f"nested deeper than {MAX_DEPTH} levels", position=self.position)
        self.skip_blanks()
        match self.peek():
            case "{":
                return self.object(path, depth)
            case "[":
                return self._array(path, depth)
            case '"':
                return self._string(path)
        return self._word(path)

    def _word(self, path: str) -> Value:
        match = _WORD.match(self._text, self.position)
        word = match.group() if match else self.peek()
        if word in _WORDS:
            self.position += len(word)
            return _WORDS[word]
        if not _NUMBER.fullmatch(word):
            raise self._unexpected("a value", path)
        self.position += len(word)
        if not _STRICT_NUMBER.fullmatch(word):
            self._note("json-lenient", f"The number {word[:20]} is not spelled as in JSON.", path)
        return self._number(word, path)

    def _number(self, word: str, path: str) -> Value:
        """Exact value with all its digits; text if it is too large for any meter to mean it."""
        try:
            number = Decimal(word)
            sane = len(word) <= _MAX_NUMBER and abs(number.adjusted()) <= _MAX_EXPONENT
        except InvalidOperation:
            sane = False
        if sane:
            return number
        self._note("number-range", "The number is beyond all measurement; kept as text.", path)
        return word

    def _string(self, path: str) -> str:
        match = _STRING.match(self._text, self.position)
        if match is None:
            raise self._unexpected("a text in quotes", path)
        self.position = match.end()
        text = match.group(1)
        if not text.isascii():
            text = self._from_utf8(text, path)
        if _CONTROL.search(text):
            self._note("json-lenient", "A control character stands in a text unescaped.", path)
        return self._unescaped(text, path) if "\\" in text else text

    def _from_utf8(self, text: str, path: str) -> str:
        raw = text.encode("latin-1")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._note("not-utf8", "A text is not UTF-8; shown with replacement characters.", path)
            return raw.decode(errors="replace")

    def _unescaped(self, text: str, path: str) -> str:
        odd = False

        def plain(match: re.Match[str]) -> str:
            nonlocal odd
            code = match.group(1)
            if len(code) > 1:
                return chr(int(code[1:], 16))
            odd = odd or code not in _PLAIN
            return _PLAIN.get(code, "\\" + code)

        joined = _ESCAPE.sub(plain, text).encode("utf-16-le", "surrogatepass")
        try:
            result = joined.decode("utf-16-le")
        except UnicodeDecodeError:
            odd, result = True, joined.decode("utf-16-le", "replace")
        if odd:
            self._note("json-lenient", "A text holds an escape that JSON does not know.", path)
        return result

    def _expect(self, character: str, path: str) -> None:
        if self.peek() != character:
            raise self._unexpected(f"'{character}'", path)
        self.position += 1

    def _unexpected(self, expected: str, path: str) -> OcmfError:
        found = self._text[self.position : self.position + 12]
        place = f" in {path}" if path else ""
        what = repr(found) if found else "the end"
        return OcmfError(f"found {what}{place}, expected {expected}", position=self.position)

    def _after(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self.position)
        return match.end() if match else self.position

    def _note(self, code: str, sentence: str, where: str) -> None:
        self.deviations.append(Deviation(code, sentence, where))
