"""A signing meter in memory that obeys ``meters.api``, for tests that are not about meters."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from meters.errors import MeterError, MeterRefused
from meters.model import (
    BillingTransaction,
    MeterInfo,
    OpenTransaction,
    Quantity,
    Reading,
    Sample,
    SignedReading,
)

KEY = "04" + "AB" * 96


@dataclass
class FakeMeter:
    """Counts what it was asked; ``fails`` is raised by every call while it is set."""

    energy_wh: Decimal = Decimal(1000)
    power_w: Decimal = Decimal(0)
    fails: MeterError | None = None
    running: str = ""
    record: tuple[str, Reading] | None = None
    begins: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)

    def _check(self) -> None:
        if self.fails is not None:
            raise self.fails

    async def identify(self) -> MeterInfo:
        self._check()
        return MeterInfo("Fake", "F1", "123", "1.0", KEY, "ECDSA-brainpoolP384r1-SHA256")

    async def read(self) -> Reading:
        self._check()
        samples = (
            Sample(Quantity.ENERGY_IMPORT, self.energy_wh),
            Sample(Quantity.POWER, self.power_w),
        )
        return Reading(datetime.now(UTC), samples)

    async def begin(self, transaction: BillingTransaction) -> Reading:
        self._check()
        if self.running == transaction.transaction_id:
            return await self.read()
        if self.running or self.record:
            raise MeterRefused("a transaction is open")
        self.running = transaction.transaction_id
        self.begins.append(transaction.transaction_id)
        return await self.read()

    async def end(self, transaction_id: str) -> Reading:
        self._check()
        if self.record and self.record[0] == transaction_id:
            return self.record[1]
        if self.running != transaction_id or not transaction_id:
            raise MeterRefused(f"no transaction {transaction_id}")
        self.ends.append(transaction_id)
        document = b'OCMF|{"TT":"<=>' + transaction_id.encode() + b'"}|{"SD":"00"}'
        reading = replace(await self.read(), signed=SignedReading(document, public_key=KEY))
        self.running, self.record = "", (transaction_id, reading)
        return reading

    async def release(self, transaction_id: str) -> None:
        self._check()
        if self.record and self.record[0] == transaction_id:
            self.record = None
            self.releases.append(transaction_id)

    async def open_transaction(self) -> OpenTransaction | None:
        self._check()
        if self.running:
            return OpenTransaction(self.running, running=True)
        if self.record:
            return OpenTransaction(self.record[0], running=False)
        return None
