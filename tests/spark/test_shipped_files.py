"""Runs every script task of the bundle from a folder that holds only what a deployment uploads.

The session is there already, its catalog knows the tables, no folder of tables is named, and the key is a secret, as on
a cluster of Databricks. Then the queries of the dashboard and of the SQL alert run on what the tasks have written.
"""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bundle import ROOT, load_bundle, shipped_files
from dashboard import columns_needed, dataset_queries
from job_tasks import arguments_of, script_tasks
from pyspark.sql import SparkSession
from sync_bench import KEY

from cio_spark.runtime import databricks
from cio_spark.standin import StandIn

CATALOG, DATABASE = "spark_catalog", "shipped"
CUSTOMERS = (
    "SELECT concat('c', id) AS customer_id, concat('c', id, '@example.com') AS email, 'A' AS first_name, "
    "'pro' AS plan, CAST(NULL AS DATE) AS plan_end, timestamp_seconds(1700000000 + id) AS signed_up, "
    "double(id) AS lifetime_value, timestamp_seconds(1700000000 + id) AS updated_at FROM range(12)"
)
ORDERS = (
    # The last order has no customer, so that there is an error to show
    "SELECT concat('o', id) AS order_id, CASE WHEN id < 20 THEN concat('c', id % 5) END AS customer_id, "
    "'paid' AS status, double(id) AS amount, 'north' AS store, timestamp_seconds(1700000000 + id) AS ordered_at, "
    "timestamp_seconds(1700000000 + id) AS updated_at FROM range(21)"
)


@dataclass
class FakeDbutils:
    """Imitates what a script may use of dbutils: a secret, task values, and no widgets."""

    values: dict[str, Any] = field(default_factory=dict)

    @property
    def secrets(self) -> Any:
        return SimpleNamespace(get=lambda scope, key: {("customerio_dev", "api_key"): KEY}[scope, key])

    @property
    def jobs(self) -> Any:
        return SimpleNamespace(taskValues=SimpleNamespace(set=lambda key, value: self.values.update({key: value})))


@dataclass
class Deployment:
    """Holds a deployed bundle, and runs its tasks."""

    folder: Path
    dbutils: FakeDbutils
    jobs: dict[str, dict[str, Any]]
    monkeypatch: pytest.MonkeyPatch

    def tasks(self, key: str) -> set[tuple[str, ...]]:
        """Return script and arguments of each script task of a job."""
        job = self.jobs[key]
        return {(task["spark_python_task"]["python_file"], *arguments_of(job, task)) for task in script_tasks(job)}

    def run(self, key: str, **parameters: str) -> None:
        """Run the script tasks of a job, one after the other; an exit status other than 0 is raised."""
        job = self.jobs[key]
        for task in script_tasks(job):
            script = self.folder / "jobs" / Path(task["spark_python_task"]["python_file"]).name
            arguments = [
                text.replace("=/Volumes/", f"={self.folder}/Volumes/") for text in arguments_of(job, task, **parameters)
            ]
            self.monkeypatch.setattr("sys.argv", [str(script), *arguments])
            runpy.run_path(str(script), run_name="__main__")


@pytest.fixture
def deployment(
    spark: SparkSession, tmp_path: Path, api: StandIn, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    for name in shipped_files():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    dbutils = FakeDbutils()
    monkeypatch.setattr(databricks, "_dbutils", lambda: dbutils)
    for variable in ("CUSTOMERIO_API_KEY", "CIO_SPARK_WAREHOUSE", "CIO_SPARK_WEBHOOK_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.1")
    monkeypatch.setenv("CUSTOMERIO_BASE_URL", api.url)
    monkeypatch.chdir(tmp_path)
    spark.sql("CREATE DATABASE IF NOT EXISTS shop")
    for table, query in (("customers", CUSTOMERS), ("orders", ORDERS)):
        rows = spark.sql(query).write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        rows.saveAsTable(f"shop.{table}")
    bundle = load_bundle("dev", file_path=str(tmp_path), catalog=CATALOG, database=DATABASE)
    yield Deployment(tmp_path, dbutils, bundle["resources"]["jobs"], monkeypatch)
    spark.sql("DROP DATABASE shop CASCADE")
    spark.sql(f"DROP DATABASE {DATABASE} CASCADE")


def test_what_ships_is_enough_to_run_every_task(deployment: Deployment, spark: SparkSession, api: StandIn) -> None:
    deployment.run("sync")
    assert api.received.count() == 12 + 20
    values = deployment.dbutils.values
    assert (values["exit_status"], values["may_have_sent"], values["status"]) == (0, "true", "healthy")
    runs = spark.sql(f"SELECT run_id, sync, job_attempt FROM {DATABASE}.sync_runs WHERE event = 'started'").collect()
    assert {row["run_id"] for row in runs} == set(values["run_ids"].split(","))
    assert {row["sync"]: row["job_attempt"] for row in runs} == dict.fromkeys(("customers", "orders"), "77/sync/1/0")
    reports = deployment.folder / "Volumes" / CATALOG / DATABASE / "cio_spark_files" / "reports"
    assert {page.name for page in reports.iterdir()} == {"customers-report.html", "orders-report.html"}

    # Of the others one sync is enough, and those whose tasks have run with the same arguments need not run again
    deployment.run("sync_side_by_side")
    deployment.run("replay", only="orders")
    assert all(deployment.tasks(key) <= deployment.tasks("sync") for key in ("sync_serverless", "monitor"))
    assert set(deployment.jobs) == {"sync", "sync_serverless", "sync_side_by_side", "monitor", "replay", "maintain"}
    assert api.received.count() == 12 + 20  # nothing is sent twice
    assert not (deployment.folder / ".cio-spark").exists()

    spark.sql(f"USE {DATABASE}")
    try:
        rows = {name: spark.sql(query) for name, query in dataset_queries().items()}
        lacking = {name: needed - set(rows[name].columns) for name, needed in columns_needed().items()}
        assert {name: columns for name, columns in lacking.items() if columns} == {}
        found = {name: frame.collect() for name, frame in rows.items()}
    finally:
        spark.sql("USE default")
    assert {row["sync"]: row["books"] for row in found["newest"]} == dict.fromkeys(("customers", "orders"), "balanced")
    assert [(row["sync"], row["status"], row["records"]) for row in found["errors"]] == [("orders", "invalid", 1)]
    assert sum(row["accepted_records"] for row in found["throughput"]) == 12 + 20
    assert (found["totals"][0]["accepted"], found["totals"][0]["not_accepted"]) == (32, 1)
    assert (found["alerts"], found["open_alerts"][0]["open_alerts"]) == ([], 0)
    assert all(0 <= row["hours_since_success"] < 1 for row in found["freshness"])

    assert problems_of_alert(spark) == 0
    assert problems_of_alert(spark, stale_after_hours="0") == 2  # no success of both syncs for so long
    for alert_id, kind, severity, problems in (
        ("a1", "full_run", "warning", 0),
        ("a2", "no_recent_run", "warning", 1),
        ("a3", "run_failed", "critical", 2),
    ):
        event = f"'{alert_id}', '{kind}', '{severity}', 'opened', 'm', 'orders', 'r', NULL, now()"
        spark.sql(f"INSERT INTO {DATABASE}.alerts SELECT {event}")
        assert problems_of_alert(spark) == problems


def problems_of_alert(spark: SparkSession, **variables: str) -> int:
    """Return what the query of the SQL alert finds."""
    bundle = load_bundle("dev", catalog=CATALOG, database=DATABASE, **variables)
    alert = bundle["resources"]["alerts"]["open_alerts"]
    (row,) = spark.sql(alert["query_text"]).collect()
    found: int = row[alert["evaluation"]["source"]["name"]]
    return found


def test_a_retry_ends_as_the_try_before_it_and_a_repair_goes_on(
    deployment: Deployment, spark: SparkSession, api: StandIn
) -> None:
    def sync_orders(attempt: str) -> int:
        """Run the task `sync` for orders only, with no error tolerated; return its exit status."""
        task = next(script_tasks(deployment.jobs["sync"]))
        arguments = [
            text for text in arguments_of(deployment.jobs["sync"], task, only="orders") if "attempt" not in text
        ]
        strict = "--set=batch.error_threshold_percent=0"
        deployment.monkeypatch.setattr("sys.argv", ["sync", *arguments, strict, f"--job-attempt={attempt}"])
        try:
            runpy.run_path(str(deployment.folder / "jobs" / "sync.py"), run_name="__main__")
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    assert sync_orders("7/sync/1/0") == 3
    # The record that was refused is held now: without a look at the first try the second one would end with 0
    assert sync_orders("7/sync/2/0") == 3
    assert deployment.dbutils.values["may_have_sent"] == "true"
    assert spark.table(f"{DATABASE}.sync_runs").where("event = 'started'").count() == 1
    assert sync_orders("7/sync/2/1") == 0
    assert api.received.count() == 20


@pytest.mark.slow
def test_what_ships_is_enough_to_maintain_the_tables(deployment: Deployment, spark: SparkSession) -> None:
    deployment.run("maintain", only="orders")
    assert spark.table(f"{DATABASE}.record_status").isEmpty()
