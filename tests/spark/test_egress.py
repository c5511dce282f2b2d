"""Tests that a run asks from a worker whether the API can be reached, before it claims its sync or sends anything.

The workers' way to the API is closed by environment variables that only they have.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession
from sync_bench import ORDERS, Bench, order_rows

from cio_spark.config import ApiKey
from cio_spark.delivery import engine as delivery_engine
from cio_spark.errors import CioSparkError, ConfigurationError, ExitStatus
from cio_spark.pipeline import replay_sync
from cio_spark.standin import StandIn

pytestmark = pytest.mark.classic("only a Spark context gives its workers variables of their own")

NO_SUCH_PROXY = "http://127.0.0.1:9"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine take the session for one of a cluster, whose workers are other machines."""
    monkeypatch.setattr(delivery_engine, "is_local", lambda _: False)


@pytest.fixture
def closed(elsewhere: None, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  needed first
    """Send the workers' requests, and not the driver's, to a proxy that does not exist."""
    monkeypatch.setitem(spark.sparkContext.environment, "HTTP_PROXY", NO_SUCH_PROXY)


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("engine", ["arrow", "rdd"])
def test_a_worker_without_a_way_to_the_api_ends_the_run_before_its_claim(orders: Bench, engine: str) -> None:
    orders.write_sql(order_rows(3))

    with pytest.raises(CioSparkError) as raised:
        orders.run(delivery={"engine": engine})

    host_and_port = orders.api.url.split("/")[2]
    assert raised.value.exit_status is ExitStatus.API_UNAVAILABLE
    assert f"a worker cannot reach {host_and_port} (no connection, or it broke off" in str(raised.value)
    assert "allow it where tasks run" in str(raised.value)
    assert "standin-key" not in f"{raised.value!s} {raised.value!r}"
    # The driver's own probe is the only request
    assert (len(orders.api.received.requests()), orders.api.received.count()) == (1, 0)
    assert orders.tables.read("sync_runs").where(f"sync = '{orders.name}'").count() == 0


@pytest.mark.usefixtures("closed")
def test_a_worker_without_a_way_to_the_api_ends_a_replay_before_its_claim(orders: Bench) -> None:
    with pytest.raises(CioSparkError, match="a worker cannot reach"):
        replay_sync(orders.config(), spark=orders.spark, api_key=ApiKey("standin-key"), warehouse=orders.warehouse)


@pytest.mark.usefixtures("elsewhere")
def test_a_worker_with_a_way_asks_once_and_its_probe_is_no_second_evaluation(orders: Bench) -> None:
    orders.write_sql(order_rows(1))

    first = orders.run()
    before = len(orders.api.received.requests())
    again = orders.run(full=False)

    assert (first.exit_status, first.books.balanced, first.books.delivery.accepted) == (ExitStatus.SUCCESS, True, 1)
    assert first.books.evaluated_again == 0
    # The driver's probe, the worker's, and the one batch
    assert (before, orders.api.received.count()) == (3, 1)
    # A run with nothing to look at starts no job for it
    assert (again.books.balanced, len(orders.api.received.requests()) - before) == (True, 1)


def test_on_a_local_session_the_drivers_probe_is_enough(bench: Callable[..., Bench], api: StandIn) -> None:
    orders = bench(ORDERS)
    orders.write_sql(order_rows(1))

    orders.run()

    assert len(api.received.requests()) == 2


@pytest.mark.usefixtures("elsewhere")
def test_a_worker_that_lacks_a_module_is_a_configuration_error(orders: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def import_what_is_not_there(*_: object) -> object:
        import not_installed_on_workers  # type: ignore[import-not-found]

        return not_installed_on_workers

    monkeypatch.setattr(delivery_engine, "_arrow_probe", lambda _: import_what_is_not_there)
    orders.write_sql(order_rows(3))

    with pytest.raises(ConfigurationError, match="workers must have the Python module not_installed_on_workers"):
        orders.run()

    assert orders.api.received.count() == 0
