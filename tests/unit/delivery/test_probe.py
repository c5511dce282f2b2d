"""Tests the request before a run: what each answer means before anything is sent.

The answers are judged by the same table as in the delivery.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from delivery_world import probe_settings_for

from cio_spark.clock import FakeClock
from cio_spark.delivery import check_api, probe
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.standin import Fault, StandIn


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.mark.parametrize(
    "status", [200, 202, 400, 408, 409, 413, 422, 423, 425, 429, 500, 501, 503, 520, 521, 530, 599]
)
def test_what_speaks_of_the_moment_or_of_an_empty_batch_lets_a_run_start(api: StandIn, status: int) -> None:
    api.script(Fault(status=status))

    check_api(probe_settings_for(api.url))

    assert api.received.count() == 0


@pytest.mark.parametrize(
    ("status", "exit_status", "said"),
    [
        (401, ExitStatus.KEY_REFUSED, "refused the API key"),
        (403, ExitStatus.KEY_REFUSED, "refused the API key"),
        *[
            (status, ExitStatus.CONFIGURATION_ERROR, "api.base_url, which ends in /v1")
            for status in (404, 405, 410, 421)
        ],
        (308, ExitStatus.CONFIGURATION_ERROR, "redirect"),
        *[(status, ExitStatus.API_UNAVAILABLE, "account and plan") for status in (402, 407, 415, 431, 451)],
    ],
)
def test_what_stops_a_run_has_its_sentence_and_exit_status(
    api: StandIn, status: int, exit_status: ExitStatus, said: str
) -> None:
    api.script(Fault(status=status, location="https://cdp-eu.customer.io/v1/batch" if status == 308 else None))

    with pytest.raises(CioSparkError, match=said) as raised:
        check_api(probe_settings_for(api.url))

    assert raised.value.exit_status is exit_status
    assert "nothing was sent" in str(raised.value)
    assert (f"HTTP {status}" in str(raised.value)) == (status != 308)


def test_a_wrong_key_is_refused(api: StandIn) -> None:
    with pytest.raises(CioSparkError) as raised:
        check_api(probe_settings_for(api.url, "another-key"))

    assert raised.value.exit_status is ExitStatus.KEY_REFUSED
    assert "another-key" not in str(raised.value)


def test_a_network_that_fails_once_is_asked_again_after_a_moment(api: StandIn) -> None:
    clock = FakeClock()
    api.script(Fault(drop_connection="before_reading", times=1))

    verdict = probe(probe_settings_for(api.url), clock)

    assert verdict.answer.status is not None
    assert clock.sleeps == [1.0]


def test_a_network_that_answers_is_asked_once_and_nobody_waits(api: StandIn) -> None:
    clock = FakeClock()

    probe(probe_settings_for(api.url), clock)

    assert clock.sleeps == []
    assert len(api.received.requests()) == 1
