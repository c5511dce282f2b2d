"""Runs the life of one sync for the model test of the ledger.

A life consists of rounds of edits, trouble with the API, and runs that end in every possible way.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from ledger_model import LedgerModel, Tried, messages_of
from ledger_source import PERSON_OF, Edit, Version
from pyspark.sql import SparkSession
from sync_bench import KEY, Bench

from cio_spark import results, runtime
from cio_spark.config import ApiKey
from cio_spark.delivery import delivery_settings
from cio_spark.errors import CioSparkError
from cio_spark.model import SyncResult
from cio_spark.pipeline import books as pipeline_books
from cio_spark.pipeline import run as pipeline_run
from cio_spark.pipeline import waves as pipeline_waves
from cio_spark.pipeline.replay import replay_sync
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.standin import Fault, StandIn

_numbers = itertools.count()
RUNS_UNTIL_QUIET = 4
TRIED_COLUMNS = ("run_id", "record_id", "status", "error_code", "error_category", "message_id")


class Work(Enum):
    """Names the command that a round runs."""

    SYNC = "sync"
    RETRY_HELD = "sync --retry-held"
    REPLAY = "replay"


class Ending(Enum):
    """Names the ways in which a run ends."""

    WELL = "with its books"
    UNCOMMITTED_DEATH = "the process dies when the wave is sent and not committed"
    UNCOMMITTED_FAILURE = "Spark fails when the wave is sent and not committed"
    UNCOMMITTED_CANCELLATION = "a cancelled wave is sent and not committed"
    COMMITTED_DEATH = "the process dies when the wave is committed"
    COMMITTED_FAILURE = "Spark fails although the wave is committed"
    CANCELLATION = "cancelled after the wave"
    DEATH_IN_BOOKS = "the process dies before its dead letters"
    DEATH_AT_END = "the process dies before its end is written"


TROUBLES: dict[str, Fault] = {
    "none": Fault(latency_seconds=0.001),
    "500": Fault(status=500),
    "502, and taken": Fault(status=502, keep_batch=True),
    "429": Fault(status=429, retry_after="0"),
    "dropped before": Fault(drop_connection="before_reading"),
    "dropped after": Fault(drop_connection="after_taking"),
    "400": Fault(status=400),
    "401": Fault(status=401),
}


@dataclass(frozen=True)
class Round:
    """Describes edits of the source, and one run after them.

    The API makes `trouble` for `times` requests after `after` good ones.
    """

    edits: tuple[tuple[Edit, str], ...] = ()
    work: Work = Work.SYNC
    ending: Ending = Ending.WELL
    trouble: str = "none"
    after: int = 0
    times: int = 1
    retries: int = 0
    in_waves: bool = False
    wave: int = 0


class DeathError(BaseException):
    """Stands for the death of the process."""


@contextmanager
def ending(how: Ending, wave: int, cancellation: Cancellation) -> Iterator[None]:
    """Make the run in the block end in the given way.

    An ending in a wave happens in the wave with the number `wave`, counted from 0.
    """
    commit, sent, calls = results.append_record_status, Ending.UNCOMMITTED_DEATH, itertools.count()
    sent_only = (sent, Ending.UNCOMMITTED_FAILURE, Ending.UNCOMMITTED_CANCELLATION)

    def append(tables: Any, statuses: Any, **named: Any) -> None:
        chosen = next(calls) == wave
        if chosen and how in sent_only:
            statuses.write.format("noop").mode("overwrite").save()
        else:
            commit(tables, statuses, **named)
        if not chosen:
            return
        if how in (Ending.CANCELLATION, Ending.UNCOMMITTED_CANCELLATION):
            cancellation.request()
        if how in (Ending.UNCOMMITTED_DEATH, Ending.COMMITTED_DEATH):
            raise DeathError
        if how in (Ending.UNCOMMITTED_FAILURE, Ending.UNCOMMITTED_CANCELLATION, Ending.COMMITTED_FAILURE):
            raise RuntimeError("an executor was lost")

    def die(*_: Any, **__: Any) -> None:
        raise DeathError

    def give_up_soon(*arguments: Any, **named: Any) -> Any:
        return replace(delivery_settings(*arguments, **named), circuit_failures=3, circuit_budget_seconds=0.0)

    fatal = {
        Ending.DEATH_IN_BOOKS: (pipeline_books, "write_dead_letters"),
        Ending.DEATH_AT_END: (results, "end_run"),
    }
    with (
        mock.patch.object(results, "append_record_status", append),
        mock.patch.object(pipeline_waves, "delivery_settings", give_up_soon),
        mock.patch.object(runtime, "owner_is_dead", return_value=True),
        pytest.MonkeyPatch.context() as patch,
    ):
        if how in fatal:
            patch.setattr(*fatal[how], die)
        if how is not Ending.UNCOMMITTED_FAILURE:
            patch.setattr(pipeline_run, "fail_run", lambda *_: None)
        yield


class Life:
    """Runs one sync round after round, from its first run until it sends nothing more.

    Args:
        spark: the session.
        warehouse: folder of the tables.
        api: the stand-in.
        model: the model that checks every run.
        by_changes: whether the source has a change feed, and runs look at what has changed.
    """

    def __init__(
        self, spark: SparkSession, warehouse: Path, api: StandIn, model: LedgerModel, *, by_changes: bool = False
    ) -> None:
        number = next(_numbers)
        values = {"include": ["rec", "plan"]}
        call = {"call": "identify", "traits": values}
        if not model.keeps_state:
            call = {"call": "track", "event": {"value": "Plan Changed"}, "properties": values}
        sections: dict[str, dict[str, Any]] = {
            # With a condition, no number of changed rows makes a run look at all rows
            "source": {"order_by": ["n DESC"], **({"where": "rec IS NOT NULL"} if by_changes else {})},
            # Requests are sent one at a time, so that the n-th request is the same each time
            "batch": {
                "max_batch_size": 4,
                "parallel_workers": 1,
                "strategy": "size_based",
                "error_handling": "dead_letter_queue" if model.queues else "retry_with_backoff",
            },
            # Only ten lives share a set of tables: hundreds of small files would slow down the later lives
            "tables": {"database": f"ledger_model_{number // 10}"},
        }
        payload = {**call, "record_id": "rec", "user_id": "person", "timestamp": "at"}
        self.bench = Bench(spark, warehouse, api, f"life{number}", payload, sections)
        self.model = model
        self._by_changes = by_changes
        for record in PERSON_OF:
            model.source.edit(Edit.CHANGE, record)

    def live(self, round_: Round) -> SyncResult | None:
        """Edit the source, run the sync, and let the model check the run.

        Returns:
            the result of the run; None if the run died or failed.
        """
        model, bench = self.model, self.bench
        before = model.source.rows_by_record()
        for edit in round_.edits:
            model.source.edit(*edit)
        self._write(before)
        bench.api.clear_faults()
        bench.api.script(Fault(poison=frozenset(model.source.poisoned)))
        trouble = TROUBLES[round_.trouble]
        # The first request of a run only checks whether the API is there
        bench.api.script(replace(trouble, after=round_.after + 1, times=round_.times))
        cancellation = Cancellation()
        result = None
        with ending(round_.ending, round_.wave, cancellation):
            try:
                result = self._run(round_, cancellation)
            except (DeathError, CioSparkError):
                assert round_.ending is not Ending.WELL
        tried = [Tried(*[row[name] for name in TRIED_COLUMNS]) for row in bench.statuses()]
        received = messages_of(bench.api.received.all())
        replay = round_.work is Work.REPLAY
        model.observe(received, tried, result, replay=replay, cancelled=cancellation.requested)
        return result

    def _write(self, before: dict[str, list[Version]]) -> None:
        """Write the source; if runs look at what has changed, write only the records that did."""
        rows, table = self.model.source, f"delta.`{self.bench.source}`"
        if not self._by_changes:
            self.bench.write_sql(rows.sql())
            return
        if not self.bench.source.exists():
            feed = "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"
            self.bench.spark.sql(f"CREATE TABLE {table} USING delta {feed} AS {rows.sql()}")
            return
        after = rows.rows_by_record()
        changed = ", ".join(f"'{name}'" for name in {*before, *after} if before.get(name) != after.get(name))
        if changed:
            self.bench.spark.sql(f"DELETE FROM {table} WHERE rec IN ({changed})").collect()
            self.bench.spark.sql(f"INSERT INTO {table} SELECT * FROM ({rows.sql()}) WHERE rec IN ({changed})").collect()

    def _run(self, round_: Round, cancellation: Cancellation) -> SyncResult:
        bench, batch = self.bench, {"retry_attempts": round_.retries}
        if round_.work is Work.REPLAY:
            return replay_sync(
                bench.config(batch=batch),
                spark=bench.spark,
                api_key=ApiKey(KEY),
                warehouse=bench.warehouse,
                cancellation=cancellation,
            )
        return bench.run(
            batch=batch,
            delivery={"wave_minutes": 0.005 if round_.in_waves else 3.0},
            retry_held=round_.work is Work.RETRY_HELD,
            cancellation=cancellation,
            full=not self._by_changes,
        )

    def end(self) -> None:
        """Remove all faults, and run the sync until it sends nothing more."""
        self.model.source.poisoned.clear()
        self.live(Round())
        if self.model.has_letters():
            self.live(Round(work=Work.REPLAY))
        for _ in range(RUNS_UNTIL_QUIET):
            before = len(self.model.received)
            self.live(Round())
            if len(self.model.received) == before:
                break
        else:
            raise AssertionError("the sync does not become quiet")
        self.model.check_end()


def live(
    spark: SparkSession, warehouse: Path, model: LedgerModel, rounds: list[Round], *, by_changes: bool = False
) -> None:
    with StandIn(api_key=KEY) as api:
        life = Life(spark, warehouse, api, model, by_changes=by_changes)
        for round_ in rounds:
            life.live(round_)
        life.end()
