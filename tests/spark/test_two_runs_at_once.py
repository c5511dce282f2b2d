"""Tests two runs of one sync whose times overlap in spite of the claim.

An older version must never overwrite a newer one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import functions as F
from sync_bench import KEY, SMALL_WAVES, Bench, claim_by_hand, order_rows
from sync_bench import ROWS_OF_WAVES as ROWS

from cio_spark.clock import SystemClock
from cio_spark.config import ApiKey
from cio_spark.counts import DeliveryCounts
from cio_spark.delivery import check_api
from cio_spark.errors import ExitStatus, SyncAlreadyRunningError, SyncTakenOverError
from cio_spark.pipeline import replay_sync, run_lease, run_sync, scope_survey
from cio_spark.pipeline import run as pipeline_run
from cio_spark.pipeline import waves as pipeline_waves
from cio_spark.pipeline.run_context import RunContext
from cio_spark.pipeline.run_lease import RunLease
from cio_spark.results import Claim, RunEnd, append_events, claims, end_run, set_up_tables
from cio_spark.standin import Fault

# The payload of an identify sync of changes, of which a person may have several
CHANGES: dict[str, Any] = {
    "call": "identify",
    "record_id": "change",
    "user_id": "person",
    "timestamp": "at",
    "traits": {"include": ["plan"]},
}


def test_a_run_that_claims_after_another_one_reads_the_source_no_older_than_that_one(
    people: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.write_sql("SELECT 'p' AS id, 'old' AS plan")

    def while_another_run_comes_and_goes(*arguments: Any) -> None:
        monkeypatch.setattr(pipeline_run, "check_api", check_api)
        people.write_sql("SELECT 'p' AS id, 'new' AS plan")
        assert people.run().books.delivery.accepted == 1
        check_api(*arguments)

    monkeypatch.setattr(pipeline_run, "check_api", while_another_run_comes_and_goes)
    slow = people.run()
    assert (slow.books.survey.unchanged, slow.books.delivery.persisted) == (1, 0)
    assert [message["payload"]["traits"]["plan"] for message in people.api.received.by_person("p")] == ["new"]


@pytest.fixture
def take_over(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bench, Callable[[], object]], None]:
    """Return a function that makes a run lose its claim after its next wave was sent.

    Then it calls `meanwhile`, which lets something else happen.
    """

    def arrange(sync: Bench, meanwhile: Callable[[], object]) -> None:
        append = pipeline_waves._append

        def send_and_lose_the_claim(run: RunContext, *rest: Any) -> int:
            monkeypatch.setattr(pipeline_waves, "_append", append)
            evaluations = append(run, *rest)
            lost = RunEnd(run.claim.run_id, sync.name, SystemClock().now(), "lost", None, "another run took over")
            end_run(run.tables, lost)
            meanwhile()
            return evaluations

        monkeypatch.setattr(pipeline_waves, "_append", send_and_lose_the_claim)

    return arrange


def states(sync: Bench) -> list[tuple[str, int | None]]:
    runs = sync.tables.read("sync_run_state").where(F.col("sync") == sync.name).orderBy("run_id").collect()
    return [(row["status"], row["exit_status"]) for row in runs]


def test_a_run_whose_claim_another_one_has_taken_over_sends_no_further_wave(
    orders: Bench, take_over: Callable[[Bench, Callable[[], object]], None]
) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    take_over(orders, lambda: None)
    with pytest.raises(SyncTakenOverError, match="was taken over by another run"):
        orders.run(**SMALL_WAVES)
    first_wave = orders.api.received.count()
    assert 0 < first_wave < ROWS
    assert orders.tables.read("record_status").where(F.col("sync") == orders.name).count() == first_wave
    again = orders.run(**SMALL_WAVES)
    assert (again.exit_status, again.books.survey.unchanged) == (ExitStatus.SUCCESS, first_wave)
    assert orders.api.received.count() == ROWS
    assert orders.api.received.duplicates() == {}


def test_a_run_that_nobody_disturbs_reads_the_runs_again_only_after_a_commit(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    # On a slow machine, the run would renew its claim, which is a commit too
    monkeypatch.setattr(run_lease, "LEAST_SHARE_LEFT", 0.0)
    monkeypatch.setattr(RunLease, "_renew", lambda _: None)
    monkeypatch.setattr(claims, "has_ended", lambda tables, *_: reads.append(tables.version("sync_runs")))
    orders.write_sql(order_rows(ROWS, customers=60))
    first = orders.run(**SMALL_WAVES)
    assert first.books.delivery.accepted == ROWS
    claimed = reads[:]
    append_event = {"run_id": first.run_id, "sync": "another", "event": "settled", "at": SystemClock().now()}

    def append_beside(run: RunContext, *rest: Any) -> int:
        append_events(orders.tables, [append_event])
        return append(run, *rest)

    append = pipeline_waves._append
    monkeypatch.setattr(pipeline_waves, "_append", append_beside)
    orders.write_sql(order_rows(2 * ROWS, customers=60))
    orders.run(**SMALL_WAVES)
    assert claimed == []
    assert len(reads) == len(set(reads)) > 1


@pytest.mark.slow
def test_what_a_run_of_one_wave_sent_after_it_was_taken_over_is_sent_again_in_its_newest_version(
    people: Bench, take_over: Callable[[Bench, Callable[[], object]], None]
) -> None:
    people.write_sql("SELECT concat('p', id) AS id, 'old' AS plan FROM range(4)")

    def another_run() -> None:
        # Only two records have changed meanwhile; Customer.io has the right version of the others in any case
        people.write_sql("SELECT concat('p', id) AS id, if(id < 2, 'new', 'old') AS plan FROM range(4)")
        assert people.run().exit_status is ExitStatus.SUCCESS

    take_over(people, another_run)
    with pytest.raises(SyncTakenOverError) as stopped:
        people.run()

    assert stopped.value.exit_status is ExitStatus.TAKEN_OVER
    assert states(people) == [("taken_over", 11), ("succeeded", 0), ("taken_over", 11)]
    newest = people.statuses()[-1]["run_id"]
    assert [(row["record_id"], row["error_code"]) for row in people.statuses(newest)] == [
        ("p0", "in_doubt"),
        ("p1", "in_doubt"),
    ]
    next_run = people.run()
    assert (next_run.books.delivery.accepted, next_run.books.survey.unchanged) == (2, 2)
    assert [message["payload"]["traits"]["plan"] for message in people.api.received.by_person("p0")][-1] == "new"
    assert people.run().books.delivery.persisted == 0


@pytest.mark.slow
def test_while_the_other_run_is_at_work_the_run_after_it_settles_the_one_that_was_taken_over(
    people: Bench, take_over: Callable[[Bench, Callable[[], object]], None]
) -> None:
    people.write_sql("SELECT 'p' AS id, 'old' AS plan")
    claimed: list[Claim] = []

    def claim_by_another() -> None:
        claimed.append(claim_by_hand(people.tables, people.name))

    take_over(people, claim_by_another)
    with pytest.raises(SyncTakenOverError):
        people.run()
    (other,) = claimed
    (mine,) = people.statuses()
    accepted = people.tables.read("record_status").where(F.col("run_id") == mine["run_id"])
    as_other = accepted.withColumns({"run_id": F.lit(other.run_id), "payload_hash": F.lit(7).cast("bigint")})
    people.tables.append("record_status", as_other)  # another version, accepted by the other run
    end_run(people.tables, RunEnd(other.run_id, people.name, SystemClock().now(), "succeeded", None, None, None, 1.0))

    next_run = people.run()

    assert next_run.books.delivery.accepted == 1
    codes = [(row["run_id"] > other.run_id, row["error_code"]) for row in people.statuses()]
    assert codes == [(False, None), (False, None), (True, "in_doubt"), (True, None)]


@pytest.mark.slow
def test_a_replay_that_was_taken_over_ends_like_a_sync(
    orders: Bench, take_over: Callable[[Bench, Callable[[], object]], None]
) -> None:
    orders.write_sql(order_rows(3))
    orders.api.script(Fault(poison=frozenset({"c1"})))
    orders.run(batch={"error_threshold_percent": 100.0})
    orders.api.clear_faults()
    take_over(orders, lambda: None)
    with pytest.raises(SyncTakenOverError):
        replay_sync(orders.config(), spark=orders.spark, api_key=ApiKey(KEY), warehouse=orders.warehouse)
    assert states(orders)[1:] == [("taken_over", 11), ("taken_over", 11)]


def test_a_run_with_take_over_does_not_wait_for_a_claim(people: Bench) -> None:
    people.write_sql("SELECT 'p' AS id, 'new' AS plan")
    set_up_tables(people.tables)
    claim = claim_by_hand(people.tables, people.name)
    with pytest.raises(SyncAlreadyRunningError):
        people.run()
    result = run_sync(
        people.config(), spark=people.spark, api_key=ApiKey(KEY), warehouse=people.warehouse, take_over=True
    )
    assert result.books.delivery.accepted == 1
    assert states(people) == [("lost", None), ("succeeded", 0)]
    assert result.run_id > claim.run_id


@pytest.mark.slow
def test_what_is_newer_of_a_person_is_sent_again_where_an_older_record_may_have_arrived_after_it(
    bench: Callable[..., Bench], take_over: Callable[[Bench, Callable[[], object]], None]
) -> None:
    # A request may take 300 s, so that it may have arrived after everything that the other run has sent
    changes = bench(CHANGES, batch={"timeout_seconds": 300})
    old = "SELECT 'x1' AS change, 'p' AS person, timestamp_seconds(1700000000) AS at, 'old' AS plan"
    newer = "SELECT 'x2', 'p', timestamp_seconds(1700000001), 'new'"
    changes.write_sql(old)

    def another_run() -> None:
        changes.write_sql(f"{old} UNION ALL {newer}")
        assert changes.run().books.delivery.accepted == 1

    take_over(changes, another_run)
    with pytest.raises(SyncTakenOverError):
        changes.run()
    next_run = changes.run()
    assert (next_run.books.delivery.accepted, next_run.books.survey.unchanged) == (1, 1)
    plans = [message["payload"]["traits"]["plan"] for message in changes.api.received.by_person("p")]
    assert plans == ["old", "new", "new"]
    assert changes.run().books.delivery.persisted == 0


@pytest.fixture
def changes(bench: Callable[..., Bench]) -> Bench:
    """Return an identify sync of changes of one person, which go one by one and are not tried twice."""
    return bench(CHANGES, batch={"max_batch_size": 1, "retry_attempts": 0})


def change_rows(count: int) -> str:
    """Return the SQL of so many changes."""
    return (
        "SELECT concat('x', id) AS change, 'p' AS person, timestamp_seconds(1700000000 + id) AS at, "
        f"concat('plan', id) AS plan FROM range({count})"
    )


def sent_plans(changes: Bench) -> str:
    """Return the numbers of the plans that have arrived, in order of arrival."""
    return "".join(message["payload"]["traits"]["plan"][-1] for message in changes.api.received.by_person("p"))


def run_with_one_success(changes: Bench) -> DeliveryCounts:
    """Run the sync while the API takes one record, and answers 500 after it."""
    # The first two requests are the check of the API and the first record
    changes.api.script(Fault(status=500, after=2))
    delivery = changes.run().books.delivery
    changes.api.clear_faults()
    return delivery


def test_a_person_of_whom_two_runs_have_sent_the_same_records_ends_with_the_newest_one(
    changes: Bench, take_over: Callable[[Bench, Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check the order where a run has begun with a person again, and left the person's newest records unsent.

    The other run does not know that the wave was accepted: it reads the tables before they say so.
    """
    changes.write_sql(change_rows(3))
    others: list[DeliveryCounts] = []

    def survey_before_the_commit(*arguments: Any, **options: Any) -> Any:
        run, snapshot, records, ledger_version, staging = arguments
        return scope_survey.survey_scope(run, snapshot, records, ledger_version - 1, staging, **options)

    def another_run() -> None:
        with monkeypatch.context() as early:
            early.setattr(pipeline_run, "survey_scope", survey_before_the_commit)
            others.append(run_with_one_success(changes))

    take_over(changes, another_run)
    with pytest.raises(SyncTakenOverError):
        changes.run()
    (other,) = others
    assert (other.accepted, other.failed, other.not_attempted) == (1, 1, 1)
    next_run = changes.run()
    assert sent_plans(changes) == "012" + "0" + "12"
    assert set(changes.api.received.duplicates().values()) == {2}
    assert next_run.books.delivery.accepted == 2
    assert changes.run().books.delivery.persisted == 0


def test_what_a_later_run_knew_to_be_accepted_is_not_sent_over_something_newer(
    changes: Bench, take_over: Callable[[Bench, Callable[[], object]], None]
) -> None:
    changes.write_sql(change_rows(2))

    def another_run() -> None:
        # No request of the wave may have arrived after this run began
        SystemClock().sleep(changes.config().batch.timeout_seconds + 0.5)
        changes.write_sql(change_rows(4))
        run_with_one_success(changes)

    take_over(changes, another_run)
    with pytest.raises(SyncTakenOverError):
        changes.run()
    assert sent_plans(changes) == "012"
    changes.run()
    assert sent_plans(changes) == "0123"


def test_a_version_of_a_taken_over_run_that_comes_back_goes_under_another_id(
    people: Bench, take_over: Callable[[Bench, Callable[[], object]], None]
) -> None:
    """Check that Customer.io cannot take the version for a duplicate of what it got before the newer one."""
    people.write_sql("SELECT 'p' AS id, 'old' AS plan")

    def another_run() -> None:
        people.write_sql("SELECT 'p' AS id, 'new' AS plan")
        people.run()

    take_over(people, another_run)
    with pytest.raises(SyncTakenOverError):
        people.run()
    people.write_sql("SELECT 'p' AS id, 'old' AS plan")
    people.run()
    plans = [message["payload"]["traits"]["plan"] for message in people.api.received.by_person("p")]
    assert plans == ["old", "new", "old"]
    assert people.api.received.duplicates() == {}
