"""Compares what the stand-in received with what the Delta tables say about every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from cio_spark.schemas import RUN_COUNTS
from cio_spark.spark.versions import to_arrow
from cio_spark.standin import StandIn

_NO_STATES = ("source_rows", "requests", "retries", "bytes", "compressed_bytes")


@dataclass(frozen=True)
class Arrivals:
    """Describes how the records of one sync arrived; each payload carries the record's id as `record`.

    Attributes:
        messages: number of messages; every arrival counts.
        message_ids: record id → message id of the first arrival.
        unequal_ids: ids of records that arrived again under another message id.
        disordered: persons of whom a record arrived, for the first or for the last time, after a newer record.
        overwritten: those of these persons of whom an older record was the last to arrive.
    """

    messages: int
    message_ids: Mapping[str, str]
    unequal_ids: frozenset[str]
    disordered: frozenset[str]
    overwritten: frozenset[str]

    @property
    def duplicates(self) -> int:
        """Number of messages that repeat a record."""
        return self.messages - len(self.message_ids)


def arrivals_of(api: StandIn, sync: str) -> Arrivals:
    """Read everything that the stand-in received of one sync.

    Args:
        api: the stand-in.
        sync: name of the sync; each payload carries it as `sync`.
    """
    ids: dict[str, str] = {}
    last: dict[str, tuple[str, str, int]] = {}
    newest: dict[str, str] = {}
    unequal: set[str] = set()
    disordered: frozenset[str] = frozenset()
    messages = 0
    for message in api.received.all():
        payload = message["payload"]
        mapped = payload.get("traits") or payload["properties"]
        if mapped["sync"] != sync:
            continue
        messages += 1
        record, person, at = mapped["record"], message["person"], message["timestamp"]
        if record not in ids:
            ids[record] = message["message_id"]
            if at < newest.get(person, ""):
                disordered |= {person}
            newest[person] = at
        elif ids[record] != message["message_id"]:
            unequal.add(record)
        last[record] = (person, at, message["seq"])
    overwritten = frozenset(_late_again(last.values()))
    return Arrivals(messages, ids, frozenset(unequal), disordered | overwritten, overwritten)


def _late_again(last: Iterable[tuple[str, str, int]]) -> set[str]:
    """Return the persons of whom an older record was the last to arrive; it would overwrite newer values."""
    disordered = set()
    before: tuple[str, str, int] = ("", "", 0)
    for one in sorted(last):
        if one[0] == before[0] and one[2] < before[2]:
            disordered.add(one[0])
        before = one
    return disordered


@dataclass(frozen=True)
class Ledger:
    """Describes what the tables say about one sync.

    Attributes:
        accepted: record id → message id of records whose newest row says that they were accepted.
        rejected: ids of records whose newest row says that the API refused them.
        states: status → number of records whose newest row has this status.
        runs: rows of `sync_runs`, one for each run that has ended, ordered by run id.
    """

    accepted: Mapping[str, str]
    rejected: frozenset[str]
    states: Mapping[str, int]
    runs: list[Row]

    @property
    def endings(self) -> list[str]:
        """Status of each run that has ended, ordered by run id."""
        return [row["status"] for row in self.runs]

    @property
    def unbalanced(self) -> list[str]:
        """Ids of runs that reached their books, and whose states do not add up to the source's rows."""
        states = [name for name in RUN_COUNTS if name not in _NO_STATES]
        return [
            row["run_id"]
            for row in self.runs
            if row["delivery_seconds"] is not None
            and row["source_rows"] is not None
            and sum(row[name] for name in states) != row["source_rows"]
        ]


def ledger_of(spark: SparkSession, database: Path, sync: str) -> Ledger:
    """Read the tables of one sync.

    Args:
        spark: a session with Delta.
        database: folder of the tables.
        sync: name of the sync.
    """

    def read(table: str) -> DataFrame:
        return spark.read.format("delta").load(str(database / table)).where(F.col("sync") == sync)

    newest = (
        read("record_status").groupBy("record_id").agg(F.max_by(F.struct("status", "message_id"), "run_id").alias("n"))
    )
    rows = to_arrow(newest.select("record_id", "n.status", "n.message_id")).to_pydict()
    columns = list(zip(rows["record_id"], rows["status"], rows["message_id"], strict=True))
    ended = read("sync_runs").where("event = 'ended'").orderBy("run_id")
    return Ledger(
        {record: message_id for record, status, message_id in columns if status == "accepted"},
        frozenset(record for record, status, _ in columns if status == "rejected"),
        Counter(rows["status"]),
        ended.collect(),
    )


def lost(source: Iterable[str], arrivals: Arrivals, ledger: Ledger) -> set[str]:
    """Return the source records that the tables do not call rejected and that did not arrive as accepted.

    A record arrived as accepted if it first arrived under the message id that the tables call accepted.

    Args:
        source: ids of all source records.
        arrivals: what the stand-in received.
        ledger: what the tables say.
    """
    return {
        record
        for record in source
        if record not in ledger.rejected
        and (record not in ledger.accepted or arrivals.message_ids.get(record) != ledger.accepted[record])
    }
