"""Provides what all cluster tests share.

They share one standalone cluster, one environment with the wheel, and one session to look into tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

# standalone_cluster and submission are in tests/support, because benchmarks/chaos.py uses them too
from standalone_cluster import Cluster
from submission import Submitter
from sync_bench import KEY
from wheel_building import install_wheel

from cio_spark.spark.session import build_session
from cio_spark.standin import StandIn


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session", autouse=True)
def _quick_jvms() -> None:
    # The JVMs of the cluster and of the drivers live too briefly for the optimising compiler to pay off
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m"


@pytest.fixture(scope="session")
def spark(place: Path) -> Iterator[SparkSession]:
    session = build_session(place / "looking" / "warehouse", app_name="cluster tests")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def python(place: Path) -> Path:
    return install_wheel(place / "wheel")


@pytest.fixture(scope="session")
def cluster(place: Path) -> Iterator[Cluster]:
    with Cluster(place / "cluster") as running:
        yield running


@pytest.fixture
def submitter(cluster: Cluster, python: Path, tmp_path: Path) -> Iterator[Submitter]:
    """Yield a submitter with tables of this test's own, when all cores of the cluster are free."""
    cluster.wait_until_idle()
    submitting = Submitter(cluster, python, tmp_path / "submitted", tmp_path / "warehouse", KEY)
    yield submitting
    submitting.end()


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn(api_key=KEY) as server:
        yield server
