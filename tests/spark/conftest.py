"""Provides one local session and one set of tables for all Spark tests.

Every test has a stand-in and syncs of its own.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pyspark.sql import SparkSession
from sync_bench import KEY, ORDERS, QUICK_JAVA, QUICK_SPARK, Bench

from cio_spark.spark.conf import temporary_settings
from cio_spark.spark.session import build_session
from cio_spark.standin import StandIn

_numbers = itertools.count()
# `--hypothesis-profile=thorough` selects this profile for tests that are quick by default (test_ledger_model.py)
settings.register_profile("thorough", max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


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
def spark(warehouse: Path) -> Iterator[SparkSession]:
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
