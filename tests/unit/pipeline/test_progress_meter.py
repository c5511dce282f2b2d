"""Tests the arithmetic of progress: done records, their rate, and the expected time for the rest."""

from __future__ import annotations

import pytest

from cio_spark.clock import FakeClock
from cio_spark.pipeline.progress import DeliveryProgress
from cio_spark.pipeline.progress_meter import QUIET_SECONDS, RATE_SECONDS, ProgressMeter

LIMIT = "rate_limit_rps = 10 requests/s"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def meter(clock: FakeClock) -> ProgressMeter:
    """Return the meter of a run of 3,000 records in the first of its waves, which has 1,000."""
    meter = ProgressMeter(clock, 3_000)
    meter.begin_wave(0, 1_000, LIMIT)
    return meter


def after(clock: FakeClock, seconds: float, meter: ProgressMeter, rows: int | None, tasks: int = 0) -> DeliveryProgress:
    clock.sleep(seconds)
    return meter.measure(rows, tasks, 4)


def test_returned_rows_are_the_done_records_of_the_wave_and_of_the_run(clock: FakeClock, meter: ProgressMeter) -> None:
    first = after(clock, 1, meter, 100)
    assert (first.records_done, first.records) == (100, 3_000)
    assert (first.wave_records_done, first.wave_records) == (100, 1_000)
    assert (first.tasks_done, first.tasks, first.limited_by) == (0, 4, LIMIT)
    meter.begin_wave(1_000, 2_000, "another limit")
    second = after(clock, 1, meter, 500, tasks=3)
    assert (second.records_done, second.records) == (1_500, 3_000)
    assert (second.wave_records_done, second.wave_records) == (500, 2_000)
    assert (second.tasks_done, second.limited_by) == (3, "another limit")


def test_without_returned_rows_the_share_of_completed_tasks_counts(clock: FakeClock, meter: ProgressMeter) -> None:
    assert after(clock, 5, meter, None).records_done == 0
    one = after(clock, 5, meter, None, tasks=1)
    # One task is enough for a rate, because a second one may only end with the wave
    assert (one.records_done, one.records_per_second, one.seconds_left) == (250, 25.0, 110.0)


def test_returned_rows_count_more_than_completed_tasks(clock: FakeClock, meter: ProgressMeter) -> None:
    assert after(clock, 1, meter, 100, tasks=2).records_done == 100


def test_done_records_neither_fall_nor_exceed_the_records_of_the_wave(clock: FakeClock, meter: ProgressMeter) -> None:
    told = [after(clock, 1, meter, rows).records_done for rows in (400, 250, None, 390, 410, 5_000, 0)]
    assert told == [400, 400, 400, 400, 410, 1_000, 1_000]


def test_a_wave_that_is_sent_once_more_begins_at_its_first_record(clock: FakeClock, meter: ProgressMeter) -> None:
    meter.begin_wave(1_000, 2_000, LIMIT)
    assert after(clock, 1, meter, 700).records_done == 1_700
    meter.begin_wave(1_000, 2_000, LIMIT)
    assert after(clock, 1, meter, None).records_done == 1_000


def test_the_rate_needs_two_reports_because_nobody_knows_when_the_first_record_was_sent(
    clock: FakeClock, meter: ProgressMeter
) -> None:
    first = after(clock, 60, meter, 100)
    assert (first.records_per_second, first.seconds_left) == (None, None)
    second = after(clock, 10, meter, 300)
    assert (second.records_per_second, second.seconds_left) == (20.0, 135.0)


def test_the_time_between_two_reports_does_not_lower_the_rate(clock: FakeClock, meter: ProgressMeter) -> None:
    after(clock, 10, meter, 100)
    after(clock, 10, meter, 300)
    waiting = [after(clock, 0.5, meter, 300).records_per_second for _ in range(19)]
    assert set(waiting) == {20.0}


def test_the_rate_is_that_of_the_last_half_minute(clock: FakeClock, meter: ProgressMeter) -> None:
    meter.begin_wave(0, 100_000, LIMIT)
    for report in range(1, 11):
        after(clock, 10, meter, 1_000 * report)
    rates = [after(clock, 10, meter, 10_000 + 100 * report).records_per_second for report in range(1, 5)]
    assert rates == [pytest.approx(rate) for rate in (70.0, 40.0, 10.0, 10.0)]
    assert RATE_SECONDS == 30.0


def test_a_long_silence_lowers_the_rate(clock: FakeClock, meter: ProgressMeter) -> None:
    after(clock, 1, meter, 100)
    after(clock, 10, meter, 300)
    assert after(clock, QUIET_SECONDS, meter, 300).records_per_second == 20.0
    assert after(clock, 10, meter, 300).records_per_second == pytest.approx(200 / 40)
    assert after(clock, 360, meter, 300).records_per_second == pytest.approx(200 / 400)


def test_the_rate_of_the_last_wave_holds_until_the_next_one_has_its_own(clock: FakeClock, meter: ProgressMeter) -> None:
    after(clock, 10, meter, 100)
    after(clock, 10, meter, 300)
    meter.begin_wave(1_000, 2_000, LIMIT)
    begun = after(clock, 5, meter, None)
    assert (begun.records_per_second, begun.seconds_left) == (20.0, 100.0)


def test_a_run_whose_records_are_all_done_has_no_time_left(clock: FakeClock) -> None:
    meter = ProgressMeter(clock, 10)
    meter.begin_wave(0, 10, LIMIT)
    after(clock, 1, meter, 5)
    assert after(clock, 1, meter, 10).seconds_left == 0.0
