"""Tests every fault that the stand-in can script, under every `error_handling`.

Each row has exactly one outcome, and the API confirms it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

import pytest
from delivery_world import codes, deliver, fates, row, settings_for, statuses

from cio_spark.clock import FakeClock
from cio_spark.config import ErrorHandlingStrategy
from cio_spark.standin import Fault, StandIn

REGION_URL = "https://cdp-eu.customer.io/v1/batch"
PAGE = "<html><body>502</body></html>"
RETRIES = 1


class Kind(Enum):
    """Names what a fault means for the records of its request."""

    TAKEN = "a success, however odd"
    TRANSIENT = "worth another try"
    REFUSED = "divided until each bad record stands alone"
    STOPPING = "every other request would end the same way"


@dataclass(frozen=True)
class Case:
    """Describes a fault, and the category and code that it must get.

    A slow fault costs real time, and ends at a short deadline.
    """

    name: str
    fault: Fault
    kind: Kind
    category: str | None = None
    code: str | None = None
    slow: bool = False


def status(number: int, kind: Kind, category: str, **changes: Any) -> Case:
    name = "-".join([str(number), *(f"{key}" for key in changes)])
    code = {"unknown": "redirect" if number < 400 else "refused_by_api"}.get(category, f"http_{number}")
    return Case(name, Fault(status=number, **changes), kind, category, code)


TRANSIENT, REFUSED, STOPPING, TAKEN = Kind.TRANSIENT, Kind.REFUSED, Kind.STOPPING, Kind.TAKEN
CASES = [
    status(400, REFUSED, "validation"),
    status(400, REFUSED, "validation", error_shape="error"),
    status(400, REFUSED, "validation", keep_batch=True),
    status(400, REFUSED, "validation", body="{not json"),
    status(422, REFUSED, "validation"),
    status(413, REFUSED, "too_large"),
    status(401, STOPPING, "authentication"),
    status(403, STOPPING, "authentication", retry_after="1"),
    *[status(number, STOPPING, "unknown", location=REGION_URL) for number in (301, 302, 307, 308)],
    status(303, STOPPING, "unknown"),
    *[status(number, STOPPING, "unknown") for number in (402, 404, 405, 410, 415, 421, 451)],
    *[status(number, TRANSIENT, "server") for number in (409, 423, 425, 520, 521, 530)],
    status(408, TRANSIENT, "timeout"),
    status(429, TRANSIENT, "rate_limit"),
    status(429, TRANSIENT, "rate_limit", retry_after="17"),
    status(429, TRANSIENT, "rate_limit", retry_after="Sat, 31 Jan 2026 12:00:17 GMT", keep_batch=True),
    status(429, TRANSIENT, "rate_limit", retry_after="soon"),
    *[status(number, TRANSIENT, "server") for number in (500, 502, 503, 504, 522, 524)],
    status(503, TRANSIENT, "server", retry_after="17"),
    status(502, TRANSIENT, "server", keep_batch=True),
    status(502, TRANSIENT, "server", content_type="text/html", body=PAGE),
    Case("page", Fault.bad_gateway_page(), TRANSIENT, "server", "http_502"),
    status(500, TRANSIENT, "server", endless_body=True),
    status(501, TRANSIENT, "server"),
    status(505, TRANSIENT, "server", keep_batch=True),
    Case("dropped-before", Fault(drop_connection="before_reading"), TRANSIENT, "network", "connection"),
    Case("dropped-after", Fault(drop_connection="after_taking"), TRANSIENT, "network", "connection"),
    Case("too-slow", Fault(latency_seconds=60), TRANSIENT, "timeout", "timeout", slow=True),
    Case("too-slow-500", Fault(status=500, latency_seconds=60), TRANSIENT, "timeout", "timeout", slow=True),
    Case("trickled-head", Fault(trickle_headers_seconds=0.1), TRANSIENT, "timeout", "timeout", slow=True),
    Case(
        "trickled-error",
        Fault(status=500, trickle_body_seconds=0.05, body="x" * 900),
        TRANSIENT,
        "server",
        "http_500",
        slow=True,
    ),
    Case("trickled-success", Fault(trickle_body_seconds=0.05, body="x" * 900), TAKEN, slow=True),
    Case("endless-success", Fault(endless_body=True), TAKEN),
    Case("late", Fault(latency_seconds=0.01), TAKEN),
    Case("202", Fault(status=202), TAKEN),
    Case("204", Fault(status=204), TAKEN),
    Case("success-without-json", Fault(body="<html>fine</html>", content_type="text/html"), TAKEN),
]
FAIL_FAST = ErrorHandlingStrategy.FAIL_FAST
CONTINUE = ErrorHandlingStrategy.CONTINUE_ON_ERROR
STRATEGIES_WITH_RETRIES = (ErrorHandlingStrategy.RETRY_WITH_BACKOFF, ErrorHandlingStrategy.DEAD_LETTER_QUEUE)

ALL_GOOD = ["accepted", "accepted", "accepted"]
STOPPED = ["accepted", "failed", "not_attempted"]
SECOND_FAILS = ["accepted", "failed", "accepted"]
SECOND_AND_THIRD_FAIL = ["accepted", "failed", "failed"]
SECOND_REJECTED = ["accepted", "rejected", "accepted"]


def expected(kind: Kind, times: int, setting: ErrorHandlingStrategy) -> list[str]:
    """Return the outcomes of three batches, of which the second is the first one that meets the fault."""
    if kind is Kind.TAKEN:
        return ALL_GOOD
    if kind is Kind.STOPPING or setting is FAIL_FAST:
        return STOPPED
    if kind is Kind.REFUSED:
        return ALL_GOOD if times == 1 else SECOND_REJECTED
    if setting in STRATEGIES_WITH_RETRIES:
        return ALL_GOOD if times == 1 else SECOND_FAILS
    return SECOND_FAILS if times == 1 else SECOND_AND_THIRD_FAIL


def how_often(case: Case, setting: ErrorHandlingStrategy) -> list[int]:
    """Return how often the fault happens in each case: once, or often enough to use up all retries or divisions.

    A fault that happens once is healed by a retry or a division.
    """
    if case.kind is Kind.REFUSED:
        return [1, 3]  # the batch, and each of its two records
    if not case.slow:
        return [1, 1 + RETRIES]
    return [1 + RETRIES] if setting is ErrorHandlingStrategy.DEAD_LETTER_QUEUE else [1]


CROSS = [
    pytest.param(case, setting, times, id=f"{case.name}-{setting.value}-{times}x")
    for case in CASES
    for setting in ErrorHandlingStrategy
    for times in how_often(case, setting)
]


@pytest.mark.parametrize(("case", "setting", "times"), CROSS)
def test_each_record_has_the_fate_its_fault_and_setting_say_and_the_api_confirms_it(
    case: Case, setting: ErrorHandlingStrategy, times: int
) -> None:
    settings = settings_for(
        max_records=2,
        error_handling=setting,
        retry_attempts=RETRIES,
        timeout_seconds=0.4 if case.slow else 20,
    )
    with StandIn() as api:
        api.script(replace(case.fault, after=1, times=times))
        groups = deliver(replace(settings, base_url=api.url), [row(number) for number in range(6)])
        received, duplicates, asked = api.received.message_ids(), api.received.duplicates(), statuses(api)

    found = fates(groups)
    per_batch = expected(case.kind, times, setting)
    assert [found[f"r-{number}"] for number in range(6)] == [fate for fate in per_batch for _ in range(2)]
    accepted = {f"id-{record.removeprefix('r-')}" for record, fate in found.items() if fate == "accepted"}
    assert accepted <= set(received)
    # The API may take a record that is not called accepted, or take it twice, only if its answer did not say so
    unconfirmed = case.kind is not Kind.TAKEN and case.fault.keeps
    in_vain = {f"id-{record.removeprefix('r-')}" for record, fate in found.items() if fate in ("failed", "rejected")}
    assert set(received) - accepted == (in_vain if unconfirmed else set())
    assert set(duplicates) & accepted == ({"id-2", "id-3"} & accepted if unconfirmed else set())
    wrong = {code for code in codes(groups).values() if code[0] in ("failed", "rejected")}
    assert {code for _, code in wrong} <= {case.code}
    assert {group.error_category for group in groups if group.status in ("failed", "rejected")} <= {case.category}
    # Each batch needs a request; the second one also needs a retry, or a division with a request for each record
    assert len(asked) <= 3 + max(RETRIES, 2 if case.kind is Kind.REFUSED else 0)


@pytest.mark.parametrize("setting", list(ErrorHandlingStrategy))
def test_a_poisoned_person_is_rejected_alone_under_every_setting_but_fail_fast(setting: ErrorHandlingStrategy) -> None:
    with StandIn() as api:
        api.script(Fault(poison=frozenset({"person-13", "id-27"})))
        groups = deliver(settings_for(api.url, error_handling=setting), [row(number) for number in range(40)])
        received = api.received.message_ids()

    found = fates(groups)
    if setting is FAIL_FAST:
        assert [found[f"r-{number}"] for number in range(0, 40, 10)] == [*STOPPED, "not_attempted"]
        assert received == [f"id-{number}" for number in range(10)]
    else:
        assert {record: fate for record, fate in found.items() if fate != "accepted"} == {
            "r-13": "rejected",
            "r-27": "rejected",
        }
        assert sorted(received) == sorted(f"id-{number}" for number in range(40) if number not in (13, 27))


LASTING = [case for case in CASES if case.kind is not Kind.TAKEN and not case.slow]


@pytest.mark.parametrize("setting", list(ErrorHandlingStrategy))
@pytest.mark.parametrize("case", LASTING, ids=[case.name for case in LASTING])
def test_a_fault_that_never_ends_is_given_up_after_bounded_requests_and_nothing_counts_as_accepted(
    case: Case, setting: ErrorHandlingStrategy
) -> None:
    settings = settings_for(
        error_handling=setting, retry_attempts=RETRIES, circuit_failures=3, circuit_budget_seconds=30.0
    )
    clock = FakeClock()
    with StandIn() as api:
        api.script(case.fault)
        groups = deliver(replace(settings, base_url=api.url), [row(number) for number in range(100)], clock)
        received, asked = api.received.message_ids(), statuses(api)

    found = fates(groups)
    assert len(found) == 100
    assert set(found.values()) <= {"failed", "not_attempted"}
    assert bool(received) == case.fault.keeps
    stops = {code for fate, code in codes(groups).values() if fate == "not_attempted"}
    if case.kind is Kind.STOPPING or setting is FAIL_FAST:
        own = {"authentication": "key_refused", "unknown": "stopped" if case.code == "redirect" else case.code}
        assert stops == {own[str(case.category)] if case.kind is Kind.STOPPING else "fail_fast"}
        assert len(asked) == 1
    elif case.kind is Kind.REFUSED:
        assert stops == {"refuses_everything"}
        assert len(asked) <= 50
    else:
        assert stops == {"circuit_open"}
        assert len(asked) <= 10
    assert clock.seconds <= 10 * 300


def test_every_way_the_stand_in_can_misbehave_is_in_the_table() -> None:
    when = {"share", "times", "after", "path"}  # these choose requests, and not what happens to them
    elsewhere = {"poison"}  # it concerns one record, not a request, and has a test of its own above
    plain = Fault()
    used = {
        field.name
        for case in CASES
        for field in fields(Fault)
        if getattr(case.fault, field.name) != getattr(plain, field.name)
    }
    assert used == {field.name for field in fields(Fault)} - when - elsewhere
