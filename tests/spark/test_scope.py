"""Tests what a run looks at: nothing, the changed rows, or all rows; and that it never misses a row."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from changing_source import PEOPLE, ChangingSource
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sync_bench import Bench, claim_by_hand

from cio_spark import source as source_stage
from cio_spark.clock import SystemClock
from cio_spark.coverage import Scope
from cio_spark.errors import AuthenticationError, ConfigurationError, ExitStatus, SyncAlreadyRunningError
from cio_spark.model import SyncResult
from cio_spark.pipeline import preview_sync
from cio_spark.results import maintain_tables
from cio_spark.standin import Fault


@pytest.fixture
def people(bench: Callable[..., Bench]) -> Bench:
    return bench(PEOPLE, batch={"enable_monitoring": True})


@pytest.fixture
def source(people: Bench) -> ChangingSource:
    """Return the source of `people`, with 40 rows that a first run has covered."""
    table = ChangingSource(people.spark, people.source)
    table.create()
    assert run(people).scope.scope is Scope.FULL
    return table


def run(bench: Bench, **named: Any) -> Any:
    return bench.run(full=False, **named)


def scope_of(result: SyncResult) -> tuple[str, int, int]:
    """Return scope, source rows and accepted records of a run whose books balance."""
    assert result.scope is not None
    assert result.books.balanced
    return result.scope.scope.value, result.books.survey.source_rows, result.books.delivery.accepted


def last_row(bench: Bench) -> Any:
    runs = bench.tables.read("sync_runs").where(F.col("sync") == bench.name)
    return runs.where("event = 'ended'").orderBy(F.col("run_id").desc()).first()


def test_a_run_without_changes_looks_at_nothing_and_writes_one_row(people: Bench, source: ChangingSource) -> None:
    before = people.tables.version("sync_runs")
    requests = people.api.received.count()
    result = run(people)
    assert scope_of(result) == ("none", 0, 0)
    assert people.tables.version("sync_runs") == before + 1
    row = last_row(people)
    assert (row["run_id"], row["scope"], row["covered_version"]) == (result.run_id, "none", source.version)
    assert row["scope_reason"] == "the source has not changed, and no record waits"
    assert people.api.received.count() == requests


@pytest.mark.usefixtures("source")
def test_a_run_without_changes_is_refused_beside_one_that_is_at_work(people: Bench) -> None:
    claim_by_hand(people.tables, people.name)
    with pytest.raises(SyncAlreadyRunningError):
        run(people)


def test_housekeeping_is_no_change(people: Bench, source: ChangingSource) -> None:
    source.sql("OPTIMIZE {people}")
    source.sql("ALTER TABLE {people} SET TBLPROPERTIES ('kept_by' = 'us')")
    assert scope_of(run(people)) == ("none", 0, 0)
    assert last_row(people)["covered_version"] == source.version


def test_a_run_looks_at_the_changed_rows_only_and_sends_what_a_full_run_sends(
    people: Bench, source: ChangingSource
) -> None:
    source.set_plan("id IN ('r1', 'r2')", "paid")
    source.insert(100, 2)
    source.delete("id = 'r5'")
    result = run(people)
    assert scope_of(result) == ("incremental", 4, 4)
    assert result.books.survey.gone == last_row(people)["gone"] == 1
    assert {row["record_id"] for row in people.statuses(result.run_id)} == {"r1", "r2", "r100", "r101"}
    assert scope_of(run(people)) == ("none", 0, 0)
    full = people.run()
    assert full.books.survey.unchanged == full.books.survey.source_rows == 41
    assert full.scope is not None
    assert full.scope.reason == "--full"


@pytest.mark.slow
def test_an_update_that_changes_no_value_sends_nothing(people: Bench, source: ChangingSource) -> None:
    source.set_plan("id = 'r1'", "free")
    result = run(people)
    assert scope_of(result) == ("incremental", 1, 0)
    assert result.books.survey.unchanged == 1


def test_only_the_newest_state_of_a_row_is_sent(people: Bench, source: ChangingSource) -> None:
    for plan in ("a", "b", "c"):
        source.set_plan("id = 'r1'", plan)
    source.insert(50)
    source.delete("id = 'r50'")
    assert scope_of(run(people)) == ("incremental", 1, 1)
    assert people.api.received.by_person("p1")[-1]["payload"]["traits"] == {"plan": "c"}
    assert people.api.received.by_person("p50") == []


def test_a_value_that_comes_back_is_sent_again_under_another_id(people: Bench, source: ChangingSource) -> None:
    for plan in ("paid", "free"):
        source.set_plan("id = 'r1'", plan)
        assert scope_of(run(people)) == ("incremental", 1, 1)
    plans = [message["payload"]["traits"]["plan"] for message in people.api.received.by_person("p1")]
    assert plans == ["free", "paid", "free"]
    assert len({message["message_id"] for message in people.api.received.by_person("p1")}) == 3


def test_a_row_that_enters_or_leaves_the_condition_is_looked_at(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE, source={"where": "active"})
    source = ChangingSource(people.spark, people.source)
    source.create()
    assert scope_of(run(people)) == ("full", 30, 30)
    source.sql("UPDATE {people} SET active = NOT active WHERE id IN ('r0', 'r3')")
    result = run(people)
    assert scope_of(result) == ("incremental", 1, 1)  # r3 enters
    assert result.books.survey.gone == 1  # r0 leaves
    source.sql("UPDATE {people} SET active = true, plan = 'paid' WHERE id = 'r0'")
    assert scope_of(run(people)) == ("incremental", 1, 1)


@pytest.mark.slow
def test_of_two_rows_with_one_id_the_one_that_stays_is_sent_when_the_other_goes(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE, source={"order_by": ["plan DESC"]})
    source = ChangingSource(people.spark, people.source)
    source.create()
    source.sql("INSERT INTO {people} SELECT 'r1', 'p1', 'zebra', true, timestamp_seconds(1)")
    assert run(people).books.survey.superseded == 1
    source.delete("id = 'r1' AND plan = 'zebra'")
    assert scope_of(run(people)) == ("incremental", 1, 1)
    source.sql("INSERT INTO {people} SELECT 'r1', 'p1', 'zoo', true, timestamp_seconds(1)")
    result = run(people)
    assert (result.books.survey.source_rows, result.books.survey.superseded) == (2, 1)
    assert people.api.received.by_person("p1")[-1]["payload"]["traits"] == {"plan": "zoo"}


@pytest.mark.slow
def test_a_row_that_gets_another_id_is_a_new_record_and_the_old_one_is_gone(
    people: Bench, source: ChangingSource
) -> None:
    source.sql("UPDATE {people} SET id = 'renamed' WHERE id = 'r1'")
    result = run(people)
    assert scope_of(result) == ("incremental", 1, 1)
    assert result.books.survey.gone == 1
    assert [row["record_id"] for row in people.statuses(result.run_id)] == ["renamed"]


@pytest.mark.slow
def test_rows_without_an_id_are_looked_at_when_one_of_them_changes(people: Bench, source: ChangingSource) -> None:
    source.sql("INSERT INTO {people} SELECT CAST(NULL AS STRING), 'nobody', 'free', true, timestamp_seconds(1)")
    result = run(people)
    assert (scope_of(result)[:2], result.books.delivery.invalid) == (("incremental", 1), 1)
    source.sql("UPDATE {people} SET plan = 'paid' WHERE id IS NULL")
    assert run(people).books.delivery.invalid == 1
    source.set_plan("id = 'r1'", "paid")
    assert scope_of(run(people)) == ("incremental", 1, 1)


def test_what_failed_goes_again_although_the_source_has_not_changed(people: Bench, source: ChangingSource) -> None:
    source.set_plan("id IN ('r1', 'r2')", "paid")
    batch = {"retry_attempts": 0, "enable_monitoring": False}
    people.api.script(Fault(status=500, after=1))  # the first request asks whether the API is there
    failed = run(people, batch=batch)
    assert failed.books.delivery.failed == 2
    people.api.clear_faults()
    result = run(people)
    assert scope_of(result) == ("incremental", 2, 2)
    assert result.scope.reason == "the source has not changed; records wait to be sent again"
    assert scope_of(run(people)) == ("none", 0, 0)


@pytest.mark.classic("outside of a local session a worker asks before the run, too, and is refused here")
def test_rows_of_waves_that_never_started_stay_uncovered(bench: Callable[..., Bench]) -> None:
    waves = {"max_batch_size": 5, "parallel_workers": 1}
    people = bench(PEOPLE, batch=waves, delivery={"wave_minutes": 0.02})
    source = ChangingSource(people.spark, people.source)
    source.create(60)
    people.api.script(Fault(status=401, after=1))
    stopped = run(people)
    assert stopped.exit_status is ExitStatus.KEY_REFUSED
    assert stopped.books.not_started > 0
    assert last_row(people)["covered_version"] is None
    people.api.clear_faults()
    result = run(people)
    assert scope_of(result) == ("full", 60, 60)
    assert last_row(people)["covered_version"] == source.version


@pytest.mark.slow
def test_a_limited_run_covers_nothing(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE)
    ChangingSource(people.spark, people.source).create()
    run(people, limit=10)
    assert last_row(people)["covered_version"] is None
    assert scope_of(run(people)) == ("full", 40, 30)


REASONS: dict[str, tuple[list[str], str, str]] = {
    "feed switched on later": (["UPDATE {people} SET plan = 'x' WHERE id = 'r1'"], "no feed", "cannot be read"),
    "a column the sync uses has another type": (
        ["ALTER TABLE {people} ALTER COLUMN plan COMMENT 'the plan'"],
        "feed",
        "the columns that the sync uses have changed",
    ),
    "replaced": (["{create}"], "feed", "another table"),
    "most rows": (["UPDATE {people} SET plan = 'x' WHERE id <> 'r1'"], "feed", "costs less than the change feed"),
    "gone back": (["{restore}"], "feed", ""),
    "an unknown operation": (["ALTER TABLE {people} ADD COLUMNS (extra STRING)"], "feed", "ADD COLUMNS"),
}

QUICK = ("feed switched on later", "replaced")
"""Cases of `make test`; `make test-all` has them all."""


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in QUICK else [pytest.mark.slow]) for case in REASONS]
)
def test_a_run_looks_at_all_rows_and_says_why(bench: Callable[..., Bench], case: str) -> None:
    statements, feed, reason = REASONS[case]
    people = bench(PEOPLE)
    source = ChangingSource(people.spark, people.source, feed=feed == "feed")
    source.create()
    if case == "gone back":
        source.set_plan("id = 'r1'", "paid")
    run(people)
    for statement in statements:
        if statement == "{create}":
            shutil.rmtree(people.source)
            source.create()
            source.set_plan("id = 'r9'", "paid")
        elif statement == "{restore}":
            source.sql("RESTORE TABLE {people} TO VERSION AS OF 0")
        else:
            source.sql(statement)
    result = run(people)
    if case == "gone back":  # restoring is a change like any other, of all rows of the files that it replaces
        assert result.scope.scope is Scope.INCREMENTAL
        assert result.books.delivery.accepted == 1
        return
    assert scope_of(result)[:2] == ("full", 40)
    assert reason in result.scope.reason
    assert last_row(people)["scope_reason"] == result.scope.reason
    twin = people.run()
    assert twin.books.survey.unchanged == 40


def test_a_feed_that_was_off_for_some_versions_is_not_trusted(people: Bench, source: ChangingSource) -> None:
    source.sql("ALTER TABLE {people} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'false')")
    source.set_plan("id = 'r1'", "paid")
    source.sql("ALTER TABLE {people} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    source.set_plan("id = 'r2'", "paid")
    result = run(people)
    assert scope_of(result) == ("full", 40, 2)
    assert result.scope.falls_back


@pytest.mark.classic("Delta's own cache is emptied through the JVM")
def test_a_missing_commit_behind_a_checkpoint_is_noticed(people: Bench, source: ChangingSource) -> None:
    source.set_plan("id = 'r1'", "paid")
    gone = source.version
    source.set_plan("id = 'r2'", "paid")
    jvm: Any = people.spark._jvm
    log = jvm.org.apache.spark.sql.delta.DeltaLog
    people.spark.sql(f"ALTER TABLE {source.name} SET TBLPROPERTIES ('delta.checkpointInterval' = '1')")
    source.set_plan("id = 'r3'", "paid")
    log.clearCache()
    (people.source / "_delta_log" / f"{gone:020d}.json").unlink()
    result = run(people)
    assert scope_of(result) == ("full", 40, 3)
    assert "lacks versions" in result.scope.reason
    assert result.scope.falls_back


@pytest.mark.usefixtures("source")
def test_rows_of_the_ledger_that_users_delete_are_sent_again(people: Bench) -> None:
    table = people.tables.name("record_status")
    people.spark.sql(f"DELETE FROM {table} WHERE sync = '{people.name}' AND record_id IN ('r1', 'r2')")
    result = run(people)
    assert scope_of(result) == ("full", 40, 2)
    assert "changed from outside" in result.scope.reason


@pytest.mark.slow
@pytest.mark.usefixtures("source")
def test_maintenance_of_the_ledger_is_no_reason_to_look_at_all_rows(people: Bench) -> None:
    maintain_tables(people.tables, keep_days=0, now=SystemClock().now())
    assert scope_of(run(people)) == ("none", 0, 0)


@pytest.mark.parametrize(
    "section",
    [
        {"payload": PEOPLE | {"traits": {"include": ["plan", "active"]}}},
        pytest.param({"source": {"where": "id <> 'r1'"}}, marks=pytest.mark.slow),
        pytest.param({"sync": {"on_change": "ignore"}}, marks=pytest.mark.slow),
        pytest.param({"batch": {"error_handling": "dead_letter_queue"}}, marks=pytest.mark.slow),
    ],
    ids=lambda section: next(iter(section)),
)
@pytest.mark.usefixtures("source")
def test_another_configuration_makes_a_run_look_at_all_rows(people: Bench, section: dict[str, Any]) -> None:
    people.payload = section.get("payload", PEOPLE)
    result = run(people, **{name: value for name, value in section.items() if name != "payload"})
    assert result.scope.scope is Scope.FULL
    assert "the configuration" in result.scope.reason


@pytest.mark.slow
@pytest.mark.usefixtures("source")
def test_settings_that_decide_nothing_about_rows_leave_the_scope(people: Bench) -> None:
    assert scope_of(run(people, batch={"max_batch_size": 7, "strategy": "size_based"})) == ("none", 0, 0)


def test_changes_off_compares_all_rows_and_required_refuses_to(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE)
    source = ChangingSource(people.spark, people.source, feed=False)
    source.create()
    run(people)
    source.set_plan("id = 'r1'", "paid")
    with pytest.raises(ConfigurationError, match=r"source\.changes is required, but the change feed cannot be read"):
        run(people, source={"changes": "required"})
    assert people.api.received.count() == 40
    assert scope_of(run(people, source={"changes": "off"})) == ("full", 40, 1)
    source.set_plan("id = 'r2'", "paid")
    result = run(people, source={"changes": "off"})
    assert result.scope.reason == "source.changes is off"


@pytest.mark.slow
@pytest.mark.usefixtures("source")
def test_after_so_many_days_a_run_looks_at_all_rows(people: Bench) -> None:
    table = people.tables.name("sync_runs")
    people.spark.sql(
        f'UPDATE {table} SET coverage = regexp_replace(coverage, \'"full_at": "20..\', \'"full_at": "2001\') '
        f"WHERE sync = '{people.name}'"
    ).collect()
    assert scope_of(run(people, source={"full_every_days": 0})) == ("none", 0, 0)
    result = run(people)
    assert scope_of(result) == ("full", 40, 0)
    assert result.scope.reason.startswith("reconciliation: the last full run began on 2001-")
    assert scope_of(run(people)) == ("none", 0, 0)


@pytest.mark.slow
def test_a_query_has_no_version_and_is_compared_whole(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE)
    ChangingSource(people.spark, people.source).create()
    query = {"source": {"query": f"SELECT * FROM delta.`{people.source}`"}}
    run(people, **query)
    result = run(people, **query)
    assert scope_of(result) == ("full", 40, 0)
    assert "no version of a Delta table" in result.scope.reason


@pytest.mark.slow
def test_a_function_from_outside_spark_makes_every_run_look_at_all_rows(
    bench: Callable[..., Bench], spark: SparkSession
) -> None:
    spark.sql("CREATE OR REPLACE TEMPORARY FUNCTION their_plan() RETURNS STRING RETURN 'free'")
    people = bench(PEOPLE | {"traits": {"set": {"plan": "their_plan()"}}})
    ChangingSource(people.spark, people.source).create()
    run(people)
    spark.sql("CREATE OR REPLACE TEMPORARY FUNCTION their_plan() RETURNS STRING RETURN 'paid'")
    assert scope_of(run(people)) == ("full", 40, 40)
    spark.sql("DROP TEMPORARY FUNCTION their_plan")


def test_a_preview_shows_the_scope_and_writes_nothing(people: Bench, source: ChangingSource) -> None:
    source.set_plan("id IN ('r1', 'r2')", "paid")
    before = people.tables.version("sync_runs")
    preview = preview_sync(people.config(), spark=people.spark, warehouse=people.warehouse)
    assert preview.scope is not None
    assert (preview.scope.scope, preview.counts.changed, preview.counts.source_rows) == (Scope.INCREMENTAL, 2, 2)
    assert people.tables.version("sync_runs") == before
    run(people)
    preview = preview_sync(people.config(), spark=people.spark, warehouse=people.warehouse)
    assert preview.scope is not None
    assert (preview.scope.scope, preview.counts.to_send) == (Scope.NONE, 0)


@pytest.mark.slow
def test_three_runs_that_cannot_use_the_feed_open_an_alert(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE, batch={"enable_monitoring": True})
    source = ChangingSource(people.spark, people.source, feed=False)
    source.create()
    run(people)
    for plan in ("a", "b", "c"):
        source.set_plan("id = 'r1'", plan)
        assert run(people).scope.falls_back
    alerts = people.tables.read("alerts").where(F.col("sync") == people.name)
    assert [row["type"] for row in alerts.collect()] == ["full_run"]


@pytest.mark.usefixtures("source")
def test_no_job_reads_the_source_if_nothing_has_changed(people: Bench) -> None:
    for file in people.source.glob("*.parquet"):
        file.unlink()
    assert scope_of(run(people)) == ("none", 0, 0)


@pytest.mark.usefixtures("source")
def test_a_refused_key_is_said_although_nothing_would_be_sent(people: Bench) -> None:
    with pytest.raises(AuthenticationError):
        run(people, key="another-key")


def test_many_runs_without_changes_hide_neither_the_claims_before_them_nor_their_numbers(
    people: Bench, source: ChangingSource
) -> None:
    numbers = people.tables.read("sync_runs").where(F.col("sync") == people.name)
    assert scope_of(run(people))[0] == "none"
    people.spark.sql(  # as maintenance leaves it: the newest run alone
        f"DELETE FROM {people.tables.name('sync_runs')} WHERE sync = '{people.name}' AND scope <> 'none'"
    ).collect()
    people.spark.sql(
        f"DELETE FROM {people.tables.name('sync_runs')} WHERE sync = '{people.name}' AND scope IS NULL"
    ).collect()
    source.set_plan("id = 'r1'", "paid")
    assert scope_of(run(people)) == ("incremental", 1, 1)
    assert numbers.agg(F.max("run_number")).collect()[0][0] == 2


def test_a_trial_of_another_mapping_that_is_taken_back_is_taken_back_at_the_api_too(
    people: Bench, source: ChangingSource
) -> None:
    people.payload = PEOPLE | {"traits": {"set": {"plan": {"value": "trial"}}}}
    assert run(people, limit=3).books.delivery.accepted == 3
    people.payload = PEOPLE
    result = run(people)
    assert scope_of(result) == ("full", 40, 3)
    assert result.scope.reason.endswith("had another configuration or source")
    assert source.version == last_row(people)["covered_version"]


def test_a_record_whose_dead_letter_was_dropped_goes_again(bench: Callable[..., Bench]) -> None:
    queue = {"error_handling": "dead_letter_queue", "retry_attempts": 0}
    people = bench(PEOPLE, batch=queue)
    ChangingSource(people.spark, people.source).create(4)
    people.api.script(Fault(status=500, after=1))
    assert run(people).books.delivery.failed == 4
    people.api.clear_faults()
    assert scope_of(run(people)) == ("incremental", 0, 0)
    assert scope_of(run(people)) == ("none", 0, 0)
    people.spark.sql(f"DELETE FROM {people.tables.name('dead_letters')} WHERE sync = '{people.name}'").collect()
    result = run(people)
    assert scope_of(result) == ("full", 4, 4)
    assert "dead_letters were changed from outside" in result.scope.reason


@pytest.mark.slow
def test_a_source_with_a_column_named_like_our_key_is_compared_whole(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE)
    source = ChangingSource(people.spark, people.source)
    source.create()
    source.sql("ALTER TABLE {people} ADD COLUMNS (CIO_Spark_Key STRING)")
    run(people)
    source.set_plan("id = 'r1'", "paid")
    assert scope_of(run(people)) == ("full", 40, 1)


def test_a_condition_that_keeps_few_rows_does_not_make_every_change_large(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE, source={"where": "id = 'r1'"})
    source = ChangingSource(people.spark, people.source)
    source.create()
    run(people)
    source.set_plan("active", "paid")
    assert scope_of(run(people)) == ("incremental", 1, 1)


def test_a_column_that_is_added_while_a_run_is_at_work_is_not_sent(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = bench({**PEOPLE, "traits": {"include": "*"}})
    source = ChangingSource(people.spark, people.source)
    source.create()
    run(people)
    source.set_plan("id = 'r1'", "paid")
    read_changes = source_stage.read_changes

    def widen_then_read(*arguments: Any) -> Any:
        source.sql("ALTER TABLE {people} ADD COLUMNS (shoe_size INT)")
        source.sql("UPDATE {people} SET shoe_size = 43, plan = 'newer'")
        return read_changes(*arguments)

    monkeypatch.setattr(source_stage, "read_changes", widen_then_read)
    assert scope_of(run(people)) == ("incremental", 1, 1)
    traits = people.api.received.by_person("p1")[-1]["payload"]["traits"]
    assert (traits["plan"], "shoe_size" in traits) == ("paid", False)
    monkeypatch.undo()
    assert scope_of(run(people)) == ("full", 40, 40)
    assert people.api.received.by_person("p2")[-1]["payload"]["traits"]["shoe_size"] == 43
