"""Compares what the meter, the outlet and the CSMS saw of sessions on a bad disk."""

import json
import sqlite3
from base64 import b64decode
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from bad_disk import BadDisk
from case_rig import Case
from scripted_csms import Sent


@dataclass
class Outcome:
    """What became of all of them; each finding is one sentence."""

    injected: int = 0
    happened: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def findings(self) -> list[str]:
        """All that may not be."""
        return [*self.lost, *self.doubled, *self.half, *self.wrong]

    def row(self) -> dict[str, Any]:
        """As numbers, for a table."""
        return {
            "injected": self.injected,
            "happened": self.happened,
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "half_signed": len(self.half),
            "wrong": len(self.wrong),
        }


class Accounts:
    """The accounts of one station after the other; ``what`` names the session in every finding.

    ``closed`` are the transactions in whose time the contactor was closed.
    """

    def __init__(self, run: Case, disk: BadDisk, version: str, outcome: Outcome) -> None:
        self.outcome = outcome
        self.what = ""
        self.closed: list[str] = []
        self._run, self._disk, self._version = run, disk, version

    def check(self, ends_before: int, sent: list[Sent], *, cut: bool) -> None:
        """After a session, once everything was told; ``cut``: messages may have come twice."""
        meter = self._run.meters[1]
        if self._run.outlets[1].closed or meter.running or meter.record:
            left = f"running {meter.running!r}, record {meter.record and meter.record[0]!r}"
            self.wrong(f"something is left open: meter {left}")
        if waiting := self._run.station.store.waiting:
            self.lost(f"{waiting} facts are not told")
        for transaction_id in meter.ends[ends_before:]:
            if (many := len(self.stored_records(transaction_id))) != 1:
                finding = self.lost if not many else self.doubled
                finding(f"{many} records of {transaction_id} are stored")
        repeated = Counter(one.message_id for one in sent)
        again = [one.action for one in sent if repeated[one.message_id] > 1]
        if again and not cut:
            self.doubled(f"sent twice: {', '.join(again)}")
        once = list({one.message_id: one for one in sent}.values())
        sessions = {*self.closed, *meter.ends[ends_before:]}
        if self._version == "1.6":
            _check_16(self, list(self.closed), once, len(sessions))
        else:
            _check_201(self, list(self.closed), once)

    def compare(self, closed: list[str], begins: list[str], ends: dict[str, list[str]]) -> None:
        """Each session once from begin to end; ``ends`` are the records of each, as text."""
        for transaction_id in closed:
            if transaction_id not in begins:
                self.lost(f"the begin of {transaction_id}")
            if transaction_id not in ends:
                self.lost(f"the end of {transaction_id}")
        for transaction_id, many in Counter(begins).items():
            if many > 1:
                self.doubled(f"the begin of {transaction_id}")
        for transaction_id, records in ends.items():
            if len(records) > 1:
                self.doubled(f"the end of {transaction_id}")
            if transaction_id not in records[0]:
                self.half_signed(f"the end of {transaction_id} has no record: {records[0][:80]}")

    def csms_transaction(self, number: int) -> str:
        """Our name of a transaction that the CSMS gave a number."""
        rows = self.rows("SELECT transaction_id FROM csms_transaction WHERE csms_id = ?", number)
        return str(rows[0][0]) if rows else f"number {number}"

    def stored_records(self, transaction_id: str) -> list[Any]:
        return self.rows("SELECT 1 FROM record WHERE transaction_id = ?", transaction_id)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """What anybody else would read of the database."""
        if self._disk.ill:
            return [()]  # nobody can tell now
        path = self._run.station.store.folder / "station.db"
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchall()

    def lost(self, what: str) -> None:
        self.outcome.lost.append(f"{self.what}: {what}")

    def doubled(self, what: str) -> None:
        self.outcome.doubled.append(f"{self.what}: {what}")

    def half_signed(self, what: str) -> None:
        self.outcome.half.append(f"{self.what}: {what}")

    def wrong(self, what: str) -> None:
        self.outcome.wrong.append(f"{self.what}: {what}")


def _check_201(accounts: Accounts, closed: list[str], sent: list[Sent]) -> None:
    events = [one.payload for one in sent if one.action == "TransactionEvent"]
    begins, ends = [], {}
    numbers: dict[str, list[int]] = {}
    for event in events:
        transaction_id = event["transactionInfo"]["transactionId"]
        numbers.setdefault(transaction_id, []).append(event["seqNo"])
        if event["eventType"] == "Started":
            begins.append(transaction_id)
        if event["eventType"] == "Ended":
            ends.setdefault(transaction_id, []).append(_documents(event))
    accounts.compare(closed, begins, ends)
    for transaction_id, given in numbers.items():
        if len(set(given)) < len(given):
            accounts.doubled(f"sequence numbers of {transaction_id}: {given}")
        if sorted(set(given)) != list(range(max(given) + 1)):
            accounts.lost(f"sequence numbers of {transaction_id}: {given}")


def _check_16(accounts: Accounts, closed: list[str], sent: list[Sent], sessions: int) -> None:
    """``sessions`` are also those in which the contactor stayed open, because the disk failed."""
    starts = [one for one in sent if one.action == "StartTransaction"]
    stops = [one.payload for one in sent if one.action == "StopTransaction"]
    ends: dict[str, list[str]] = {}
    for stop in stops:
        name = accounts.csms_transaction(stop["transactionId"])
        ends.setdefault(name, []).append(_documents(stop))
    if len(starts) > sessions:
        accounts.doubled(f"{len(starts)} StartTransaction for {sessions} sessions")
    if len(starts) < len(closed):
        accounts.lost(f"{len(starts)} StartTransaction for {len(closed)} sessions")
    accounts.compare(closed, list(closed), ends)


def _documents(payload: dict[str, Any]) -> str:
    """All signed records in a message, as text."""
    found = []

    def look(part: Any) -> None:
        if isinstance(part, dict):
            for key, value in part.items():
                if key == "signedMeterData":
                    found.append(b64decode(value).decode())
                elif key == "value" and isinstance(value, str) and "signedMeterData" in value:
                    look(json.loads(value))
                else:
                    look(value)
        elif isinstance(part, list):
            for one in part:
                look(one)

    look(payload)
    return " ".join(found)


def profile(version: str, number: int) -> dict[str, Any]:
    period = {"startPeriod": 0, "limit": 10.0}
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    profile = {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
    }
    if version == "1.6":
        return {
            "connectorId": 1,
            "csChargingProfiles": {
                "chargingProfileId": number,
                "chargingSchedule": schedule,
                **profile,
            },
        }
    return {
        "evseId": 1,
        "chargingProfile": {"id": number, "chargingSchedule": [{"id": 1, **schedule}], **profile},
    }
