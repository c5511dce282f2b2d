"""Sends a whole DataFrame, as the notebook's function did, through the delivery, tables and books of a sync."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import structlog
from pydantic import ValidationError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark import runtime
from cio_spark.config import ApiKey, BatchConfiguration, SyncConfig
from cio_spark.config.problems import validation_findings
from cio_spark.errors import ConfigurationError, Problem
from cio_spark.model import DeliveryPlan, SyncResult
from cio_spark.notebook.frame_payload import payload_of
from cio_spark.pipeline import run_sync
from cio_spark.pipeline.progress import NullProgress
from cio_spark.spark.conf import read_setting

RECORD_ID = "cio_spark_row"
_LOGGED: Final = (
    "run_id",
    "exit_status",
    "total_records",
    "successful_records",
    "failed_records",
    "skipped_records",
    "total_batches",
    "partitions_used",
)
_NOTEBOOK_SECRET = {"scope": "customerio", "key": "api_key"}


def process_large_dataset_with_spark(
    df: DataFrame,
    config: BatchConfiguration,
    operation_type: str = "bulk_processing",
    *,
    payload: Mapping[str, Any] | None = None,
    api: Mapping[str, Any] | None = None,
    tables: Mapping[str, Any] | None = None,
    api_key: ApiKey | str | None = None,
    warehouse: Path | None = None,
) -> dict[str, Any]:
    """Send the rows of a DataFrame, and return when the run has ended.

    The rows are written once to a staging table and sent from there. The package's tables record what became of them,
    as for a sync whose name is `operation_type`. The call is logged as `dataset_started`, `dataset_planned` and
    `dataset_finished`. If `payload` names no `record_id`, rows have no identity, and every call sends every row, as the
    notebook's function did; with a `record_id`, rows that were accepted before are not sent again.

    Args:
        df: the rows.
        config: settings of batches, rate, retries and error handling.
        operation_type: label in the tables, and the sync's name.
        payload: the payload section, as in a sync file; if it names no `call`, the missing parts follow from the names
            of the columns, see `frame_payload.payload_of`.
        api: the api section; the environment variable `CUSTOMERIO_BASE_URL` overrides its address.
        tables: the tables section.
        api_key: the API key; None for the environment variable `CUSTOMERIO_API_KEY`, else the secret of the api
            section, else the secret customerio/api_key.
        warehouse: folder of local tables; None if the tables are in the catalog or in the session's own warehouse.

    Returns:
        A dictionary with the notebook's keys: `operation_type`, `total_records`, `successful_records` (accepted by
        this call), `failed_records` (neither accepted nor skipped), `total_batches` (requests without retries),
        `total_processing_time_seconds`, `avg_processing_time_ms` (processing time of a batch, as a mean over records),
        `throughput_rps` (accepted records per second of the whole call), `error_rate_percent`, `partitions_used` and
        `batch_statistics` (a dictionary for each batch). It also has `skipped_records` (accepted before, refused
        before with the same payload, or superseded by a newer row; 0 without a `record_id`), `run_id`, `exit_status`
        and `message`.

    Raises:
        CioSparkError: nothing could be sent (configuration, key, address), or Spark failed.
    """
    logger = structlog.get_logger("cio_spark.notebook").bind(operation_type=operation_type)
    spark = df.sparkSession
    section = dict(payload or {})
    if "call" not in section:
        section = {**payload_of(df.columns), **section}
    rows = df
    ids_of_this_call = "record_id" not in section
    if ids_of_this_call:
        section = {**_without_row_ids(section), "record_id": RECORD_ID}
        call = F.lit(f"{uuid.uuid4().hex}-")
        rows = df.withColumn(RECORD_ID, F.concat(call, F.monotonically_increasing_id().cast("string")))
    view = f"cio_spark_{uuid.uuid4().hex}"
    sync = _sync(view, config, operation_type, section, api or {}, tables or {})
    key = runtime.find_api_key(sync) if api_key is None else ApiKey(api_key) if isinstance(api_key, str) else api_key
    logger.info("dataset_started", workers=config.parallel_workers, rate_limit_rps=config.rate_limit_rps)
    rows.createOrReplaceTempView(view)
    try:
        folder = warehouse or _own_warehouse(spark)
        # With ids that only this call has, it does not matter what earlier calls sent, and to which workspace
        result = run_sync(
            sync,
            spark=spark,
            api_key=key,
            warehouse=folder,
            progress=_LoggedPlan(logger),
            same_workspace=ids_of_this_call,
        )
    finally:
        spark.catalog.dropTempView(view)
    batches = _batch_statistics(spark, sync, result.run_id, with_catalog=folder is None)
    results = _results(operation_type, result, batches)
    (logger.info if result.exit_status == 0 else logger.error)(
        "dataset_finished",
        **{name: results[name] for name in _LOGGED},
        seconds=round(result.seconds, 3),
        throughput_rps=round(results["throughput_rps"], 3),
        error_rate_percent=round(results["error_rate_percent"], 3),
    )
    return results


class _LoggedPlan(NullProgress):
    """Logs the plan of a run, before the run sends."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def planned(self, sync: str, plan: DeliveryPlan) -> None:  # noqa: ARG002  the listener's signature
        """Log the plan of the whole delivery."""
        self._logger.info(
            "dataset_planned",
            records=plan.records,
            expected_batches=plan.batches,
            partitions=plan.partitions,
            lanes=plan.lanes,
            eta_seconds=round(plan.eta_seconds, 1),
        )


def _without_row_ids(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload section with the added column `RECORD_ID` excluded wherever all columns are included."""
    return {
        name: {**part, "except": [*part.get("except", ()), RECORD_ID]}
        if isinstance(part, Mapping) and part.get("include") == "*"
        else part
        for name, part in payload.items()
    }


def _sync(
    view: str,
    config: BatchConfiguration,
    operation_type: str,
    payload: Mapping[str, Any],
    api: Mapping[str, Any],
    tables: Mapping[str, Any],
) -> SyncConfig:
    overrides = dict(item.split("=", 1) for item in runtime.environment_overrides())
    address = {"base_url": overrides["api.base_url"]} if "api.base_url" in overrides else {}
    written = {
        "sync": {"name": operation_type, "operation_type": operation_type},
        "source": {"query": f"SELECT * FROM {view}"},
        "payload": payload,
        "batch": config,
        "api": {"secret": _NOTEBOOK_SECRET, **api, **address},
        "tables": tables,
    }
    try:
        return SyncConfig.model_validate(written)
    except ValidationError as error:
        findings = validation_findings(error, written, SyncConfig)
        raise ConfigurationError([Problem(finding.path, finding.message) for finding in findings]) from None


def _own_warehouse(spark: SparkSession) -> Path | None:
    """Return the warehouse folder of a local session whose catalog is in memory, and so forgets tables; else None."""
    if read_setting(spark, "spark.sql.catalogImplementation", "hive") != "in-memory":
        return None
    place = urlsplit(read_setting(spark, "spark.sql.warehouse.dir") or "")
    return Path(unquote(place.path)) if place.scheme in ("", "file") and place.path else None


def _batch_statistics(
    spark: SparkSession, sync: SyncConfig, run_id: str, *, with_catalog: bool
) -> list[dict[str, Any]]:
    """Return statistics of each batch of the run, from the table `batch_operations`."""
    parts = [sync.tables.catalog if with_catalog else None, sync.tables.database, "batch_operations"]
    rows = spark.table(".".join(f"`{part}`" for part in parts if part)).where(F.col("job_id") == run_id)
    return [
        {
            "batch_id": row["batch_id"],
            "batch_size": row["total_records"],
            "successful_records": row["processed_records"],
            "avg_processing_time_ms": row["processing_time_seconds"] * 1000,
        }
        for row in rows.orderBy("started_at", "batch_id").collect()
    ]


def _results(operation_type: str, result: SyncResult, batches: list[dict[str, Any]]) -> dict[str, Any]:
    counts, delivery = result.books.survey, result.books.delivery
    skipped = counts.unchanged + counts.changed_ignored + counts.superseded + counts.held
    refused = delivery.invalid + delivery.rejected + delivery.failed
    left = delivery.not_attempted + result.books.not_started + result.books.in_doubt
    total, sent = counts.source_rows, sum(batch["batch_size"] for batch in batches)
    milliseconds = sum(batch["batch_size"] * batch["avg_processing_time_ms"] for batch in batches)
    return {
        "operation_type": operation_type,
        "total_records": total,
        "successful_records": delivery.accepted,
        "failed_records": refused + left,
        "total_batches": len(batches),
        "total_processing_time_seconds": result.seconds,
        "avg_processing_time_ms": milliseconds / sent if sent else 0.0,
        "throughput_rps": delivery.accepted / result.seconds if result.seconds > 0 else 0.0,
        "error_rate_percent": (refused + left) / total * 100 if total else 0.0,
        "partitions_used": result.plan.partitions if result.plan else 0,
        "batch_statistics": batches,
        "skipped_records": skipped,
        "run_id": result.run_id,
        "exit_status": int(result.exit_status),
        "message": result.message,
    }
