"""Tests that each `batch.strategy` sizes requests as it says, against an API whose answers follow a formula."""

from __future__ import annotations

import pytest
from simulated_api import MAX_RECORDS, Course, Phase

from cio_spark.config import BatchStrategy

CALM, HARD, AGAIN = Phase(900), 3000.0, Phase(3000)


@pytest.mark.parametrize("beyond", [429, 408])
@pytest.mark.parametrize("capacity", [700, 300, 90])
def test_adaptive_is_nearly_as_quick_as_the_best_fixed_size_while_the_api_degrades_and_recovers(
    capacity: int, beyond: int
) -> None:
    course = Course([CALM, Phase(HARD, capacity, beyond), AGAIN]).run(BatchStrategy.ADAPTIVE)
    shares = [course.throughput(number) / course.best(number) for number in range(3)]
    assert min(shares) >= 0.9, shares
    for number in range(3):
        limits = course.settled_limits(number)
        assert limits
        assert min(limits) >= 0.75 * max(limits)


def test_adaptive_never_goes_below_the_largest_request_while_nothing_is_wrong() -> None:
    course = Course([Phase(300)]).run(BatchStrategy.ADAPTIVE)
    assert {limit for _, limit in course.limits} == {MAX_RECORDS}


@pytest.mark.parametrize("target", [0.6, 1.0, 2.0])
def test_time_based_keeps_requests_near_their_target_time(target: float) -> None:
    course = Course([Phase(600)]).run(BatchStrategy.TIME_BASED, target_request_seconds=target)
    settled = course.times[len(course.times) // 3 : -1]
    assert min(settled) >= 0.8 * target
    assert max(settled) <= 1.2 * target


def test_a_fixed_size_stays_what_it_is_whatever_the_api_answers() -> None:
    course = Course([Phase(60), Phase(60, 300)]).run(BatchStrategy.SIZE_BASED)
    assert {limit for _, limit in course.limits} == {MAX_RECORDS}


@pytest.mark.parametrize("every", [10.0, 60.0])
def test_errors_that_have_nothing_to_do_with_the_size_do_not_shrink_requests_for_good(every: float) -> None:
    made = [
        Course([Phase(3600)], 0.25, 0.0005, noise_every_seconds=every).run(strategy)
        for strategy in (BatchStrategy.ADAPTIVE, BatchStrategy.SIZE_BASED)
    ]
    adaptive, fixed = (course.throughput(0) for course in made)
    assert adaptive >= 0.93 * fixed


@pytest.mark.parametrize("most", [2, 5, 10, 50])
def test_requests_of_few_records_grow_again_when_the_api_has_recovered(most: int) -> None:
    course = Course([Phase(60, 0), Phase(1200)], 0.5, 0.002, max_records=most).run(BatchStrategy.ADAPTIVE)
    assert min(limit for _, limit in course.limits) < most
    assert course.settled_limits(1)[-1] == most


def test_a_short_target_is_reached_with_few_records_where_each_takes_long() -> None:
    course = Course([Phase(600)], 0.01, 0.02).run(BatchStrategy.TIME_BASED, target_request_seconds=0.1)
    settled = course.times[len(course.times) // 3 : -1]
    assert min(settled) >= 0.08
    assert max(settled) <= 0.12


@pytest.mark.parametrize("fixed", [0.95, 1.5])
def test_a_target_below_what_any_request_takes_does_not_lead_to_single_records(fixed: float) -> None:
    course = Course([Phase(600)], fixed, 0.002).run(BatchStrategy.TIME_BASED, target_request_seconds=1.0)
    assert min(course.settled_limits(0)) >= 300
    assert max(course.times[len(course.times) // 2 :]) <= 2.4 * fixed
