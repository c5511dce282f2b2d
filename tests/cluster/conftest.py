"""One standalone cluster, one environment with the wheel and one session to look into tables, for all cluster tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

# The cluster is shared with benchmarks/chaos.py; tools/ is no package, for it is not installed
from standalone_cluster import Cluster
from submission import Submitter, install_wheel
from sync_bench import KEY

from cio_spark.spark.session import build_session
from cio_spark.standin import StandIn


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session", autouse=True)
def _quick_jvms() -> None:
    # The cluster's JVMs and the drivers' live too short for the optimising compiler to pay
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
    """Submits to the cluster, which has all its cores, with tables of this test's own."""
    cluster.wait_until_idle()
    submitting = Submitter(cluster, python, tmp_path / "submitted", tmp_path / "warehouse", KEY)
    yield submitting
    submitting.end()


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn(api_key=KEY) as server:
        yield server
