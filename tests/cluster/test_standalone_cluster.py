"""Tests the wheel on a real cluster: the main job is submitted by `spark-submit`, and parts of it are killed."""

from __future__ import annotations

import re
from pathlib import Path

import busy_sync
import pytest
from audit import Arrivals, Ledger, arrivals_of, ledger_of, lost
from pyspark.sql import SparkSession
from standalone_cluster import Cluster
from submission import Submitted, Submitter, events_in
from sync_bench import KEY
from waiting import wait_until

from cio_spark.standin import Fault, StandIn

pytestmark = pytest.mark.timeout(600)

ROWS = 3000
PERSONS = 300
WORKERS = 4
RATE_LIMIT_PER_SECOND = 200
START_SECONDS = 120.0
END_SECONDS = 240.0
CONF = """
sync: {{name: {sync}}}
source: {{path: "{source}"}}
payload:
  {{call: track, record_id: id, user_id: customer, event: {{value: Order Placed}}, timestamp: at,
   properties: {{include: [amount], set: {{record: id, sync: {{value: {sync}}}}}}}}}
batch: {{max_batch_size: 20, parallel_workers: {workers}, rate_limit_rps: {rate}, retry_backoff_seconds: 0.1}}
delivery: {{wave_minutes: {wave_minutes}}}
api: {{base_url: "{url}"}}
"""
RECORDS = [f"o{number}" for number in range(ROWS)]


def prepare(spark: SparkSession, submitter: Submitter, api: StandIn, sync: str, *, waves: int = 1) -> Path:
    """Write a source for a sync, and its configuration, and return the sync file."""
    source = submitter.warehouse / "shop" / sync
    spark.sql(
        f"SELECT concat('o', id) AS id, concat('{sync}-c', id % {PERSONS}) AS customer, double(id) AS amount, "
        f"timestamp_seconds(1700000000 + id) AS at FROM range(0, {ROWS}, 1, 4)"  # four files, so both executors read
    ).write.format("delta").save(str(source))
    submitter.folder.mkdir(parents=True, exist_ok=True)
    conf = submitter.folder / f"{sync}.yml"
    # The plan assumes 0.25 s for each request, so that 150 requests by four workers take about 9 s
    wave_minutes = 9.4 / 60 / waves
    settings = {"workers": WORKERS, "rate": RATE_LIMIT_PER_SECOND, "wave_minutes": wave_minutes, "url": api.url}
    conf.write_text(CONF.format(sync=sync, source=source, **settings), encoding="utf-8")
    return conf


def compare(spark: SparkSession, submitter: Submitter, api: StandIn, sync: str) -> tuple[Arrivals, Ledger]:
    """Compare what arrived with what the tables say, and return both.

    Nothing may be lost, duplicates must have equal ids, persons must be in order, and the books must balance.
    """
    arrivals = arrivals_of(api, sync)
    ledger = ledger_of(spark, submitter.warehouse / "customerio", sync)
    assert lost(RECORDS, arrivals, ledger) == set()
    assert ledger.accepted == arrivals.message_ids
    assert len(set(arrivals.message_ids.values())) == ROWS
    assert arrivals.unequal_ids == set()
    assert arrivals.disordered == set()
    assert ledger.unbalanced == []
    return arrivals, ledger


def keeps_the_limits(api: StandIn, syncs: int = 1) -> None:
    """Check that no person has two requests at once, and that the limits were kept.

    The limits are the requests in flight, the requests in the API's window of time, and the sizes.
    """
    assert api.traffic.overlapping_persons == set()
    assert api.traffic.max_in_flight <= syncs * WORKERS
    assert api.traffic.max_in_any_window() <= syncs * 3 * RATE_LIMIT_PER_SECOND
    assert api.received.over_limit() == (0, 0)


def wait_for_messages(api: StandIn, count: int, running: Submitted) -> None:
    def there_or_ended() -> bool:
        assert running.exit_status is None, running.story()
        return api.received.count() >= count

    wait_until(there_or_ended, START_SECONDS, f"the stand-in got {count} messages")


def ends_well(running: Submitted) -> None:
    assert running.wait(END_SECONDS) == 0, running.story()


def lose_an_executor(
    cluster: Cluster, submitter: Submitter, api: StandIn, conf: Path, partition: int, log: str
) -> Submitted:
    """Run a sync of one wave, and kill the executor of a partition.

    At that moment the other executor has a minute of work left.
    """
    api.script(Fault(latency_seconds=2.0))
    running = submitter.sync(conf, log=log)
    wait_for_messages(api, ROWS // 10, running)
    # A delivery with as many tasks as the stage before it was once reported as done when that stage was done
    assert re.findall(r"sending: \d+%", running.said())[-1:] in ([], ["sending: 0%"])
    assert len(cluster.executors()) == 2
    cluster.kill_executor(running.executor_of(partition))
    wait_until(lambda: bool(api.received.duplicates()), START_SECONDS, "the lost work is done again")
    api.clear_faults()
    ends_well(running)
    return running


def test_an_executor_killed_in_the_middle_of_a_wave_costs_nothing_but_messages_with_ids_already_seen(
    spark: SparkSession, cluster: Cluster, submitter: Submitter, api: StandIn
) -> None:
    conf = prepare(spark, submitter, api, "orders")
    # With the log off, the progress is on standard output
    lose_an_executor(cluster, submitter, api, conf, partition=0, log="off")
    arrivals, ledger = compare(spark, submitter, api, "orders")
    assert ledger.endings == ["succeeded"]
    assert arrivals.duplicates > 0
    assert api.traffic.max_in_any_window() <= 3 * RATE_LIMIT_PER_SECOND
    assert api.traffic.max_in_flight <= WORKERS


def test_an_executor_killed_in_the_middle_of_a_wave_lets_no_person_have_two_requests_in_flight(
    spark: SparkSession, cluster: Cluster, submitter: Submitter, api: StandIn
) -> None:
    conf = prepare(spark, submitter, api, "orders")
    # Without a barrier stage, Spark would give the new executor partition 0 first, even if that is still at work
    events = lose_an_executor(cluster, submitter, api, conf, partition=1, log="json").events()
    retried = [(event["wave"], event["reason"]) for event in events if event["event"] == "wave_retried"]
    assert retried[0] == (0, "executor_lost")
    assert events[-1]["event"] == "run_ended"
    arrivals, ledger = compare(spark, submitter, api, "orders")
    assert ledger.endings == ["succeeded"]
    assert arrivals.duplicates > 0
    keeps_the_limits(api)


def test_a_machine_lost_for_good_in_the_middle_of_a_wave_lets_the_run_end_well_on_those_that_remain(
    spark: SparkSession, python: Path, api: StandIn, tmp_path: Path
) -> None:
    with Cluster(tmp_path / "cluster") as shrinking:
        submitter = Submitter(shrinking, python, tmp_path / "submitted", tmp_path / "warehouse", KEY)
        conf = prepare(spark, submitter, api, "orders")
        api.script(Fault(latency_seconds=1.0))
        running = submitter.sync(conf)
        try:
            wait_for_messages(api, ROWS // 10, running)
            shrinking.kill_machine()
            api.clear_faults()
            ends_well(running)
        finally:
            submitter.end()
    arrivals, ledger = compare(spark, submitter, api, "orders")
    assert ledger.endings == ["succeeded"]
    assert arrivals.duplicates > 0
    keeps_the_limits(api)


def test_a_driver_killed_in_the_middle_of_a_run_costs_one_wave_at_most_and_the_next_run_goes_on(
    spark: SparkSession, cluster: Cluster, submitter: Submitter, api: StandIn
) -> None:
    conf = prepare(spark, submitter, api, "orders", waves=4)
    api.script(Fault(latency_seconds=0.1))
    running = submitter.sync(conf)
    wait_for_messages(api, ROWS // 2, running)
    running.kill()
    cluster.wait_until_idle()
    got = api.received.count()
    api.clear_faults()
    ends_well(submitter.sync(conf))
    arrivals, ledger = compare(spark, submitter, api, "orders")
    assert got < ROWS
    assert ledger.endings == ["lost", "succeeded"]
    largest_wave = ROWS // 2
    assert arrivals.duplicates <= largest_wave
    assert ledger.runs[1]["unchanged"] >= ROWS // 2 - largest_wave
    keeps_the_limits(api)


def test_of_two_submits_of_one_sync_at_once_one_runs_and_the_other_refuses_in_one_sentence(
    spark: SparkSession, submitter: Submitter, api: StandIn
) -> None:
    conf = prepare(spark, submitter, api, "orders")
    api.script(Fault(latency_seconds=2.0))
    both = [submitter.sync(conf, cores=1), submitter.sync(conf, cores=1)]
    wait_until(lambda: any(one.exit_status is not None for one in both), START_SECONDS, "one of them has ended")
    refused, ran = sorted(both, key=lambda one: one.exit_status is None)
    assert ran.exit_status is None, refused.story() + ran.story()
    api.clear_faults()
    assert refused.exit_status == 2, refused.story()
    (event,) = refused.events()
    assert (event["event"], event["sync"], event["exit_status"]) == ("claim_refused", "orders", 2)
    said = refused.sentences()
    assert len(said) == 1, refused.said()
    assert said[0].startswith("error: sync orders is already running since ")
    ends_well(ran)
    arrivals, ledger = compare(spark, submitter, api, "orders")
    assert arrivals.duplicates == 0
    assert ledger.endings == ["succeeded"]
    keeps_the_limits(api)


def test_two_different_syncs_overlap_freely_and_the_books_of_both_balance(
    spark: SparkSession, cluster: Cluster, submitter: Submitter, api: StandIn
) -> None:
    confs = {sync: prepare(spark, submitter, api, sync) for sync in ("orders", "returns")}
    api.script(Fault(latency_seconds=1.0), Fault(status=503, after=4, share=0.2))
    both = {sync: submitter.sync(conf, cores=1) for sync, conf in confs.items()}

    def both_have_met_a_failure() -> bool:
        for one in both.values():
            assert one.exit_status is None, one.story()
        failures = [line for line in events_in(cluster.executor_logs()) if line["event"] == "request_failures"]
        return {line["sync"] for line in failures} == set(both)

    wait_until(both_have_met_a_failure, START_SECONDS, "both have been answered 503")
    api.clear_faults()
    for one in both.values():
        ends_well(one)
    for sync in both:
        arrivals, ledger = compare(spark, submitter, api, sync)
        assert arrivals.duplicates == 0
        assert ledger.endings == ["succeeded"]
        # The lines of the executors have the same names as the driver's, and say where they come from
        ended = both[sync].events()[-1]
        lines = [line for line in events_in(cluster.executor_logs()) if line["run_id"] == ended["run_id"]]
        assert ended["event"] == "run_ended"
        failures = {(line["sync"], line["code"]) for line in lines if line["event"] == "request_failures"}
        assert failures == {(sync, "http_503")}
        assert all({"wave", "partition", "lane", "worker"} <= set(line) for line in lines)
    keeps_the_limits(api, syncs=2)


def test_a_delivery_whose_slots_another_job_of_the_application_holds_does_not_wait_for_it(
    spark: SparkSession, submitter: Submitter, api: StandIn
) -> None:
    conf = prepare(spark, submitter, api, "crowded")
    running = submitter.sync(conf, script=Path(busy_sync.__file__))
    ends_well(running)
    arrivals, ledger = compare(spark, submitter, api, "crowded")
    assert ledger.endings == ["succeeded"]
    assert arrivals.duplicates == 0
    keeps_the_limits(api)
