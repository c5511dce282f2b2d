"""Tests the probe of a worker: what its answer means, and the sentence that says what to allow."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
from delivery_world import probe_settings_for

from cio_spark.delivery.worker_probe import PROBE_ROW, ProbeRow, check_worker, probe_row
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.standin import Fault, StandIn

UNREACHABLE = ProbeRow(None, "no connection, or it broke off (ConnectionRefusedError)", "connection")


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def test_a_worker_that_gets_the_drivers_answer_lets_a_run_start(api: StandIn) -> None:
    settings = probe_settings_for(api.url)

    check_worker(probe_row(settings), settings)

    assert (len(api.received.requests()), api.received.count()) == (1, 0)


@pytest.mark.parametrize("status", [200, 400, 408, 429, 500, 503])
def test_an_answer_about_the_moment_does_not_stop_a_run(status: int) -> None:
    check_worker(ProbeRow(status, "", None), probe_settings_for("https://cdp.customer.io/v1"))


@pytest.mark.parametrize("failure", ["connection", "timeout", "request"])
def test_a_worker_without_an_answer_ends_the_run_as_an_api_that_is_unavailable(failure: str) -> None:
    with pytest.raises(CioSparkError) as raised:
        check_worker(ProbeRow(None, "why", failure), probe_settings_for("https://cdp.customer.io/v1"))

    assert raised.value.exit_status is ExitStatus.API_UNAVAILABLE
    assert "a worker cannot reach cdp.customer.io:443 (why), though the driver can: allow it" in str(raised.value)
    assert "network policy" in str(raised.value)
    assert "nothing was sent" in str(raised.value)


@pytest.mark.parametrize("status", [401, 403, 404, 407, 451])
def test_an_answer_that_only_a_worker_gets_is_no_word_about_the_key_or_the_address(api: StandIn, status: int) -> None:
    api.script(Fault(status=status))
    settings = probe_settings_for(api.url)

    with pytest.raises(CioSparkError, match=rf"is refused \(HTTP {status}\), though the driver is not") as raised:
        check_worker(probe_row(settings), settings)

    assert raised.value.exit_status is ExitStatus.API_UNAVAILABLE
    assert api.url.split("/")[2] in str(raised.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://cdp-eu.customer.io/v1", "cdp-eu.customer.io:443"),
        ("http://localhost/v1", "localhost:80"),
        ("https://proxy.local:8443/v1", "proxy.local:8443"),
        ("http://[::1]:99/v1", "[::1]:99"),
        ("https://user:secret@host.local/v1", "host.local:443"),
    ],
)
def test_the_sentence_names_host_and_port_and_nothing_else_of_the_address(url: str, place: str) -> None:
    with pytest.raises(CioSparkError) as raised:
        check_worker(UNREACHABLE, probe_settings_for(url))

    assert f"cannot reach {place} (" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_closed_port_is_an_answer_as_data_and_the_key_is_in_none_of_it() -> None:
    settings = probe_settings_for("http://127.0.0.1:9/v1", "a-secret-key")

    row = probe_row(settings)

    assert (row.status, row.failure) == (None, "connection")
    with pytest.raises(CioSparkError) as raised:
        check_worker(row, settings)
    assert "a-secret-key" not in f"{row!r} {raised.value!s} {raised.value!r} {settings!r}"
    assert pickle.loads(pickle.dumps(raised.value)).exit_status is ExitStatus.API_UNAVAILABLE


@pytest.mark.parametrize("row", [UNREACHABLE, ProbeRow(200, "", None)])
def test_a_row_goes_through_arrow_as_it_is(row: ProbeRow) -> None:
    batch = row.as_arrow()

    assert batch.schema.names == [column.split()[0] for column in PROBE_ROW.split(", ")]
    assert [ProbeRow(**found) for found in batch.to_pylist()] == [row]
