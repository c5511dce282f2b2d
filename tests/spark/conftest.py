"""Provides one session and one set of tables for all Spark tests.

Every test has a stand-in and syncs of its own. The session is a local one; with `--connect` it is a client of a
Spark Connect server, which has no Spark context and no JVM, as on serverless compute; tests marked `classic` are then
skipped.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from connect_server import connect_server
from hypothesis import HealthCheck, settings
from pyspark.sql import SparkSession
from sync_bench import KEY, ORDERS, QUICK_JAVA, QUICK_SPARK, Bench

from cio_spark.spark.conf import temporary_settings
from cio_spark.spark.session import build_session
from cio_spark.standin import StandIn

_numbers = itertools.count()
# `--hypothesis-profile=thorough` selects this profile for tests that are quick by default (test_ledger_model.py)
settings.register_profile("thorough", max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--connect", action="store_true", help="run the Spark tests on a Spark Connect server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that need a classic session, for the reason that their mark gives."""
    if config.getoption("--connect"):
        for item in items:
            if (mark := item.get_closest_marker("classic")) is not None:
                item.add_marker(pytest.mark.skip(reason=f"classic sessions only: {mark.args[0]}"))


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cio") / "warehouse"


@pytest.fixture(scope="session", autouse=True)
def _quick_small_jobs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make small Spark jobs quick in all sessions, including those of child processes.

    test_demo_data.py runs without these settings, as users do.
    """
    folder = tmp_path_factory.mktemp("conf")
    (folder / "spark-defaults.conf").write_text(QUICK_SPARK)
    os.environ.update(JDK_JAVA_OPTIONS=QUICK_JAVA, SPARK_CONF_DIR=str(folder))


@pytest.fixture(scope="session")
def spark(
    warehouse: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[SparkSession]:
    with contextlib.ExitStack() as stack:
        if pytestconfig.getoption("--connect"):
            server = stack.enter_context(connect_server(tmp_path_factory.mktemp("connect"), warehouse))
            # Commands that a test runs in this process find the session by it
            os.environ["SPARK_REMOTE"] = server
            session = SparkSession.builder.remote(server).getOrCreate()
        else:
            session = build_session(warehouse, app_name="tests")
        session.conf.set("spark.sql.shuffle.partitions", "1")
        yield session
        session.stop()


@pytest.fixture(scope="module", params=["compiled", "interpreted"])
def either_way(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    """Yield the session once with the settings of users, and once with the settings of these tests.

    With the two settings Spark evaluates expressions in a different order.
    """
    users = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
    with temporary_settings(spark, users if request.param == "compiled" else {}):
        yield spark


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn(api_key=KEY) as server:
        yield server


@pytest.fixture
def bench(spark: SparkSession, warehouse: Path, api: StandIn) -> Callable[..., Bench]:
    """Return a function that makes a `Bench` for a sync of its own."""

    def make(payload: dict[str, Any], **sections: dict[str, Any]) -> Bench:
        return Bench(spark, warehouse, api, f"sync{next(_numbers)}", payload, sections)

    return make


@pytest.fixture
def orders(bench: Callable[..., Bench]) -> Bench:
    """Return a track sync whose source has `id`, `customer`, `amount` and `at`."""
    return bench(ORDERS)


@pytest.fixture
def people(bench: Callable[..., Bench]) -> Bench:
    """Return an identify sync whose source has `id` and `plan`."""
    return bench({"call": "identify", "record_id": "id", "user_id": "id", "traits": {"include": ["plan"]}})
