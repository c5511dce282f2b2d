"""Tests that columns are added to the tables only while no wave is under way.

A wave that is under way would lose its append.
"""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from sync_bench import Bench, claim_by_hand

from cio_spark.clock import SystemClock
from cio_spark.config import TablesSection
from cio_spark.errors import ExitStatus, TablesInUseError
from cio_spark.ids import new_run_id
from cio_spark.results import RunEnd, Tables, are_set_up, end_run, last_runs, set_up_tables, setup
from cio_spark.results.views import create_view
from cio_spark.schemas import BATCH_COLUMNS, struct_of

_numbers = itertools.count()


class Waiting(SystemClock):
    """Shows real time, jumps ahead instead of sleeping, and calls a function at every sleep."""

    def __init__(self, on_sleep: Any = lambda: None) -> None:
        self.slept = 0.0
        self._on_sleep = on_sleep

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return super().monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self._on_sleep()


def drop(tables: Tables, table: str, column: str) -> None:
    """Drop a column, so that the table looks as if an older package had made it."""
    mapping = "'delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5'"
    tables.spark.sql(f"ALTER TABLE {tables.name(table)} SET TBLPROPERTIES ({mapping})")
    tables.spark.sql(f"ALTER TABLE {tables.name(table)} DROP COLUMN {column}")


@pytest.fixture
def tables(spark: SparkSession, tmp_path: Path) -> Tables:
    """Return tables as an older package has made them."""
    tables = Tables(spark, TablesSection(database=f"older_{next(_numbers)}"), tmp_path)
    set_up_tables(tables)
    drop(tables, "record_status", "attempted_at")
    return tables


def columns(tables: Tables) -> list[str]:
    return tables.read("record_status").columns


def test_a_field_that_the_facts_of_a_batch_have_gained_is_added_within_its_column(tables: Tables) -> None:
    for name in ("batch.limit_records", "batch.limit_bytes"):
        drop(tables, "record_status", name)
    done = set_up_tables(tables)
    assert done == [f"added attempted_at, batch.limit_records, batch.limit_bytes to {tables.name('record_status')}"]
    assert tables.read("record_status").select("batch.*").columns == struct_of(BATCH_COLUMNS).fieldNames()
    assert set_up_tables(tables) == []


def test_an_update_of_the_tables_waits_for_the_end_of_other_runs(tables: Tables) -> None:
    other = claim_by_hand(tables, "other")
    sleeps: list[bool] = []

    def end_the_other_run() -> None:
        sleeps.append("attempted_at" in columns(tables))
        end_run(tables, RunEnd(other.run_id, "other", SystemClock().now(), "succeeded", None, None))

    done = set_up_tables(tables, clock=Waiting(end_the_other_run))

    assert sleeps == [False]
    assert done == [f"added attempted_at to {tables.name('record_status')}"]
    assert set_up_tables(tables) == []


def test_a_run_that_keeps_on_working_ends_the_update_with_a_sentence_and_a_command_that_reads_goes_on(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_by_hand(tables, "other")
    monkeypatch.setattr(setup, "MOST_WAIT_SECONDS", 60.0)  # less than what is left of the claim

    with pytest.raises(TablesInUseError, match="is at work in these tables") as refused:
        set_up_tables(tables, clock=Waiting())

    assert refused.value.exit_status is ExitStatus.API_UNAVAILABLE
    assert are_set_up(tables)
    assert "attempted_at" not in columns(tables)


def test_a_run_whose_claim_has_ended_or_whose_process_is_gone_is_not_waited_for(tables: Tables) -> None:
    drop(tables, "sync_runs", "send_until")  # an older package claims without this column
    started = "run_id, sync, run_number, event, at, owner, claim_expires_at"
    for number, (owner, minutes) in enumerate((("gone:1", 15), ("elsewhere:1", -1))):
        tables.spark.sql(
            f"INSERT INTO {tables.name('sync_runs')} ({started}) VALUES ('{new_run_id(SystemClock().now(), None)}', "
            f"'other{number}', 1, 'started', now(), '{owner}', now() + INTERVAL {minutes} MINUTES)"
        )
    clock = Waiting()
    assert set_up_tables(tables, clock=clock, owner_is_dead=lambda owner: owner == "gone:1")
    assert clock.slept == 0
    assert "attempted_at" in columns(tables)


def test_a_column_that_somebody_adds_while_an_event_is_written_costs_no_event(
    people: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_tables(people.tables)
    append = Tables.append
    altered: list[bool] = []

    def alter_and_append(tables: Tables, table: str, rows: Any, **options: Any) -> None:
        if not altered:
            altered.append(True)
            raise RuntimeError("[DELTA_METADATA_CHANGED] the metadata of the table has been changed")
        append(tables, table, rows, **options)

    monkeypatch.setattr(Tables, "append", alter_and_append)
    claim = claim_by_hand(people.tables, people.name, "me:1")
    assert claim.run_id


def test_a_view_of_an_older_package_gets_the_versions_of_runs_and_what_is_built_on_it_goes_on(
    spark: SparkSession, tmp_path: Path
) -> None:
    tables = Tables(spark, TablesSection(database=f"older_{next(_numbers)}"), tmp_path)
    set_up_tables(tables)
    older = "SELECT run_id, max(status) AS status FROM {sync_runs} GROUP BY run_id"
    create_view(tables, "sync_run_state", older.format(sync_runs=tables.name("sync_runs")))
    create_view(tables, "of_the_user", f"SELECT * FROM {tables.name('sync_run_state')}")
    started = {"run_id": "r1", "sync": "s", "event": "started", "at": SystemClock().now(), "package_version": "1.2.3"}
    ended = {"run_id": "r1", "sync": "s", "event": "ended", "at": SystemClock().now(), "ledger_version": 7}
    tables.append_events("sync_runs", [started, {**ended, "status": "succeeded"}])

    set_up_tables(tables)

    (run,) = last_runs(tables, "s", 10)
    assert (run["package_version"], run["ledger_version"]) == ("1.2.3", 7)
    (row,) = tables.read("of_the_user").collect()
    assert row.asDict() == {"run_id": "r1", "status": "succeeded"}
