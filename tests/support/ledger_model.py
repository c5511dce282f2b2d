"""Models one sync in plain Python: keeps what was observed of it, and checks what must hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger_source import PERSON_OF, Source, Version

from cio_spark.coverage import Scope
from cio_spark.errors import ExitStatus
from cio_spark.model import SyncResult


class Tried(NamedTuple):
    """Holds the columns of a `record_status` row that the model looks at."""

    run_id: str
    record: str
    status: str
    code: str | None
    category: str | None
    message_id: str | None


class Message(NamedTuple):
    """Holds the parts of a message that the model looks at, as the stand-in received it."""

    record: str
    plan: str
    message_id: str


@dataclass
class LedgerModel:
    """Keeps everything that was observed of one sync, and checks the promises after every step.

    Args:
        keeps_state: True for an identify sync, which sends changes; False for a track sync, which ignores them.
        queues: True if failed records become dead letters and wait for a replay.
    """

    keeps_state: bool
    queues: bool
    source: Source = field(default_factory=Source)
    received: list[Message] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    versions: dict[str, Version] = field(default_factory=dict)
    _version_keys: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _ids: dict[tuple[object, ...], str] = field(default_factory=dict)

    def observe(
        self, messages: list[Message], tried: list[Tried], result: SyncResult | None, *, replay: bool, cancelled: bool
    ) -> None:
        """Check one run.

        Args:
            messages: all messages that the stand-in has ever received, in order.
            tried: all rows of the ledger.
            result: the result of the run; None if the run died or failed.
            replay: True if the run was a replay.
            cancelled: True if the run was asked to stop.
        """
        new = messages[len(self.received) :]
        accepted = self.accepted()
        # Rows of a recovered run have the id of the run that died, and say nothing about this run
        rows = [row for row in tried if row not in set(self.tried) and row.code != "in_doubt"]
        for message in new:
            self._check_replayed(message) if replay else self._check_sent(message, accepted.get(message.record))
        if self.keeps_state:
            self._check_order(new, accepted.values())
        got = {message.message_id for message in new}
        for row in rows:
            assert row.status != "accepted" or row.message_id in got, f"accepted, but never received: {row}"
            if row.message_id is not None and not replay:
                self.versions.setdefault(row.message_id, self.source.rows[row.record])
        self.received, self.tried = messages, tried
        if result is not None:
            self._check_books(result, rows, cancelled=cancelled)
            if not (replay or result.books.not_started or result.books.in_doubt):
                self._check_nothing_left_out({row.record for row in rows})

    def accepted(self) -> dict[str, Tried]:
        """Return the newest accepted row of each record."""
        return {row.record: row for row in self.tried if row.status == "accepted"}

    def last(self) -> dict[str, Tried]:
        """Return the newest row of each record."""
        return {row.record: row for row in self.tried}

    def has_letters(self) -> bool:
        """Tell whether a replay may have something to send."""
        return any(row.status in ("rejected", "failed") and row.code != "in_doubt" for row in self.last().values())

    def _check_sent(self, message: Message, accepted: Tried | None) -> None:
        version = self.source.rows.get(message.record)
        assert version is not None, f"{message} was sent, and is not in the source"
        assert (version.valid, version.plan) == (True, message.plan), f"{message} was sent, the source has {version}"
        assert self.keeps_state or accepted is None, f"{message} was sent after {accepted}"
        # A version is a payload and the id accepted before: it has one message id, and no other version has this id
        key = (message.record, message.plan, accepted and accepted.message_id)
        assert self._ids.setdefault(key, message.message_id) == message.message_id, f"{message} had another id before"
        known = self._version_keys.setdefault(message.message_id, key)
        assert known == key, f"the id of {known} was used for {key}"
        self.versions[message.message_id] = version

    def _check_replayed(self, message: Message) -> None:
        version = self.versions.get(message.message_id)
        assert version is not None, f"{message} was replayed under an id that it never had"
        assert (version.record, version.plan) == (message.record, message.plan)
        letter = max(row.run_id for row in self.tried if row.message_id == message.message_id)
        newer = self.accepted().get(message.record)
        assert newer is None or newer.run_id < letter, f"{message} was replayed although {newer} was accepted since"

    def _check_order(self, new: list[Message], accepted: Iterable[Tried]) -> None:
        """Check the order of records that share a person.

        No record may be older than what was accepted, and each run must send them in order of time.
        """
        newest: dict[str, int] = {}
        for row in accepted:
            at = self.versions[row.message_id or ""].at
            newest[PERSON_OF[row.record]] = max(newest.get(PERSON_OF[row.record], 0), at or 0)
        for message in dict.fromkeys(new):  # a batch that is sent again as a whole does not change the order
            person, at = PERSON_OF[message.record], self.versions[message.message_id].at
            if at is not None:
                assert newest.get(person, 0) <= at, f"{message} is older than what {person} had accepted"
                newest[person] = at

    def _check_books(self, result: SyncResult, rows: list[Tried], *, cancelled: bool) -> None:
        books, counted = result.books, Counter(row.status for row in rows)
        assert books.balanced, books
        for status in ("accepted", "invalid", "rejected", "failed", "not_attempted"):
            assert getattr(books.delivery, status) == counted[status], (status, books, rows)
        # The books of other runs are about the rows that they looked at
        if result.scope is not None and result.scope.scope is Scope.FULL:
            assert books.survey.superseded == len(self.source.superseded)
            assert books.survey.source_rows == len(self.source.rows) + len(self.source.superseded)
        assert result.exit_status is _exit_status(result, rows, counted, cancelled), (result, rows)

    def _check_nothing_left_out(self, written: set[str]) -> None:
        """Check the records about which a finished run wrote nothing.

        Each of them must be delivered, or held, or an event that was accepted once.
        """
        holding = {"rejected", "invalid", "failed"} if self.queues else {"rejected", "invalid"}
        got = {message.record: message.plan for message in self.received}
        last, accepted = self.last(), self.accepted()
        for record, version in self.source.rows.items():
            if record in written or got.get(record) == version.plan or (not self.keeps_state and record in accepted):
                continue
            row = last.get(record)
            assert row is not None, f"{version} is lost"
            assert row.status in holding, f"{version} is lost: {row}, {got.get(record)} was received last"

    def check_end(self) -> None:
        """Check that Customer.io equals the source.

        Before this, the faults were removed and the sync was run until nothing was sent.
        """
        got = {message.record: message.plan for message in self.received}
        accepted, last = self.accepted(), self.last()
        newest = {PERSON_OF[row.record]: self.versions[row.message_id or ""].at or 0 for row in accepted.values()}
        for record, version in self.source.rows.items():
            if not version.valid or (not self.keeps_state and record in accepted and record in got):
                continue
            # A letter must not be replayed if a newer record of the same person was accepted
            overtaken = version.at is not None and version.at < newest.get(PERSON_OF[record], 0)
            held = last[record].status in ("rejected", "failed") and overtaken
            assert held or got.get(record) == version.plan, f"Customer.io has {got.get(record)}, the source {version}"


def _exit_status(result: SyncResult, rows: list[Tried], counted: Mapping[str, int], cancelled: bool) -> ExitStatus:
    """Return the exit status with which the run must end."""
    books, failed = result.books, {row.category for row in rows if row.status == "failed"}
    codes = {row.code for row in rows}
    wrong = counted["invalid"] + counted["rejected"] + counted["failed"]
    tried = books.survey.source_rows - books.survey.unchanged - books.survey.held
    unavailable = failed and not counted["accepted"] and failed <= {"network", "timeout", "server", "rate_limit"}
    if cancelled and books.in_doubt + books.not_started + counted["not_attempted"]:
        return ExitStatus.CANCELLED_SIGTERM
    if "authentication" in failed:
        return ExitStatus.KEY_REFUSED
    if "refuses_everything" in codes:
        return ExitStatus.ERROR_THRESHOLD_EXCEEDED
    if "circuit_open" in codes or unavailable:
        return ExitStatus.API_UNAVAILABLE
    return ExitStatus.ERROR_THRESHOLD_EXCEEDED if wrong * 100 > tried * 5 else ExitStatus.SUCCESS


def messages_of(received: Iterable[dict[str, Any]]) -> list[Message]:
    """Return the messages that the stand-in says it received."""
    found = []
    for message in received:
        values = message["payload"].get("traits") or message["payload"]["properties"]
        found.append(Message(values["rec"], values["plan"], message["message_id"]))
    return found
