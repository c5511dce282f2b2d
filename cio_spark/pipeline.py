"""The straight line: config → source → payload → validation → ledger → planning → delivery → results."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark import ledger, planning, results, runtime, source, spark_errors
from cio_spark.clock import Clock, SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.config.payload import Call
from cio_spark.delivery import DeliverySettings, check_api, delivery_settings, engine
from cio_spark.delivery.settings import ONE_ITEM_CALLS
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.model import Books, DeliveryCounts, DeliveryPlan, Preview, Slots, StateCounts, SyncResult
from cio_spark.payload import prepare_records
from cio_spark.progress import Progress, Silence
from cio_spark.results import Tables
from cio_spark.validation import validate_records
from cio_spark.verdict import judge
from cio_spark.version import VERSION

# Suppressions and deletions are tried again on every run until they are accepted (design §3)
_NEVER_HELD = frozenset(
    {Call.SUPPRESS, Call.UNSUPPRESS, Call.DELETE_PERSON, Call.DEVICE_DELETE, Call.OBJECT_DELETE}
    | {Call.RELATIONSHIP_DELETE}
)


@dataclass
class _Phases:
    """Seconds by phase."""

    clock: Clock
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.progress.phase(name)
        began = self.clock.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self.clock.monotonic() - began


@dataclass(frozen=True)
class Work:
    """What a run has to do.

    Attributes:
        records: classified records, lazily.
        deliverable: those of them that go through the delivery.
        counts: rows by state.
        plan: how the delivery is cut.
    """

    records: DataFrame
    deliverable: DataFrame
    counts: StateCounts
    plan: DeliveryPlan


def run_sync(
    config: SyncConfig,
    *,
    spark: SparkSession,
    api_key: ApiKey,
    warehouse: Path | None = None,
    limit: int | None = None,
    retry_held: bool = False,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> SyncResult:
    """Runs one sync from its source to its books.

    Args:
        config: the sync.
        spark: the session.
        api_key: the workspace's key.
        warehouse: folder of local tables; None: the catalog knows them.
        limit: only so many source rows.
        retry_held: also try records that were refused before with the same payload.
        progress: listener.
        clock: time.

    Returns:
        what became of it, also when records failed; its `exit_status` says how well it went.

    Raises:
        CioSparkError: the run could not start (nothing was sent), or Spark failed (the next run goes on).
    """
    clock, progress = clock or SystemClock(), progress or Silence()
    phases = _Phases(clock, progress)
    began = clock.monotonic()
    tables = Tables(spark, config.tables, warehouse)
    slots = engine.count_slots(spark)
    with _explained(config):
        with phases.phase("check"):
            snapshot = source.open_source(spark, config.source, tables.attach_source)
            records = _prepared(config, snapshot.rows)
            check_api(delivery_settings(config, api_key))
            results.set_up_tables(tables)
        with phases.phase("claim"):
            claim = results.claim_sync(
                tables,
                config.sync.name,
                clock=clock,
                owner=runtime.owner(),
                owner_is_dead=runtime.owner_is_dead,
                facts={
                    "source": snapshot.description,
                    "source_version": snapshot.version,
                    "configuration": json.dumps(config.describe()),
                    "package_version": VERSION,
                },
            )
            # Only now: what a run that held the sync until a moment ago has written must be seen
            ledger_version = tables.version("record_status")
    delivery_seconds = 0.0
    try:
        with (
            _explained(config),
            results.KeptClaim(tables, claim, clock),
            results.Staging(tables, claim.run_id) as staging,
        ):
            with phases.phase("survey"):
                pinned = snapshot.staged(staging.stage, limit)
                if pinned is not snapshot:
                    snapshot, records = pinned, _prepared(config, pinned.rows)
                work = _survey(
                    config, tables, snapshot.rows, records, ledger_version, engine_slots=slots, retry_held=retry_held
                )
            if work.counts.to_send or work.counts.invalid:
                progress.planned(config.sync.name, work.plan)
                with phases.phase("deliver"):
                    delivery_began = clock.monotonic()
                    settings = delivery_settings(config, api_key, claim.run_id, work.plan)
                    _deliver(config, tables, work, settings, progress)
                    delivery_seconds = clock.monotonic() - delivery_began
            with phases.phase("books"):
                delivery = _read_back(config, tables, claim, delivered=delivery_seconds > 0)
    except BaseException as error:
        status = error.exit_status if isinstance(error, CioSparkError) else ExitStatus.INTERNAL_ERROR
        message = str(error) if isinstance(error, CioSparkError) else type(error).__name__
        # Where Spark itself is gone this cannot be written either: the next run then closes this one as lost
        with contextlib.suppress(Exception):
            results.end_run(tables, results.RunEnd(claim.run_id, claim.sync, clock.now(), "failed", status, message))
        raise
    books = Books(work.counts, delivery)
    exit_status, message = judge(config, books)
    with phases.phase("end"):
        results.end_run(
            tables,
            results.RunEnd(
                claim.run_id,
                claim.sync,
                clock.now(),
                "succeeded" if exit_status is ExitStatus.SUCCESS else "failed",
                exit_status,
                None if exit_status is ExitStatus.SUCCESS else message,
                books,
                delivery_seconds,
                ledger_version,
            ),
        )
    result = SyncResult(
        run_id=claim.run_id,
        sync=config.sync.name,
        exit_status=exit_status,
        books=books,
        plan=work.plan if delivery.persisted else None,
        message=message,
        seconds=clock.monotonic() - began,
        delivery_seconds=delivery_seconds,
        phases=phases.seconds,
    )
    progress.finished(result)
    return result


def preview_sync(
    config: SyncConfig,
    *,
    spark: SparkSession,
    warehouse: Path | None = None,
    limit: int | None = None,
    retry_held: bool = False,
    samples: int = 3,
) -> Preview:
    """Says what `run_sync` would do; sends nothing, writes nothing. Arguments as there.

    Raises:
        CioSparkError: the run could not start.
    """
    tables = Tables(spark, config.tables, warehouse)
    slots = engine.count_slots(spark)
    with _explained(config):
        snapshot = source.open_source(spark, config.source, tables.attach_source)
        if limit is not None:
            snapshot = replace(snapshot, rows=snapshot.rows.limit(limit))
        records = _prepared(config, snapshot.rows)
        known = tables.exists("record_status")
        version = tables.version("record_status") if known else None
        work = _survey(
            config,
            tables,
            snapshot.rows,
            records,
            version,
            engine_slots=slots,
            retry_held=retry_held,
            count_everything=True,
        )
        pending = work.records.where(F.col("state").isin("new", "changed", "again"))
        payloads = tuple(row["payload"] for row in pending.select("payload").limit(samples).collect())
        return Preview(work.counts, work.plan, ledger.count_reasons(work.records), payloads, snapshot.description)


def _prepared(config: SyncConfig, rows: DataFrame) -> DataFrame:
    """Source → payload → validation: a prepared, judged record for every row."""
    ordered = source.with_order(rows, config.source.order_by)
    return validate_records(prepare_records(ordered, config.payload), config.payload.call)


def _survey(
    config: SyncConfig,
    tables: Tables,
    rows: DataFrame,
    records: DataFrame,
    ledger_version: int | None,
    *,
    engine_slots: Slots,
    retry_held: bool,
    count_everything: bool = False,
) -> Work:
    """Ledger → planning: what still needs sending, and how it is cut."""
    earlier = None if ledger_version is None else tables.read("record_status", ledger_version)
    # Three small queries whose cost is mostly waiting: at the same time
    with ThreadPoolExecutor(max_workers=3) as pool:
        counting = pool.submit(rows.count)
        looking = pool.submit(_knows, earlier, config.sync.name)
        doubled = pool.submit(source.has_duplicates, records)
    source_rows, known = counting.result(), looking.result()
    superseded = 0
    if doubled.result():
        superseded = source.count_superseded(records, config.source.order_by)
        records = source.drop_superseded(records, config.source.order_by)
    call = config.payload.call
    if earlier is None or not known:
        # No filter: Spark would push it below the JSON it depends on, and build every payload twice
        records = deliverable = ledger.mark_all_new(records)
        count = ledger.count_states if count_everything else ledger.expect_all_new
    else:
        records = ledger.classify_records(
            records,
            ledger.tried_records(earlier, config.sync.name),
            ignore_changes=config.on_change == "ignore",
            hold=not retry_held and call not in _NEVER_HELD,
        )
        deliverable = records.where(F.col("state").isin(*ledger.DELIVERED))
        count = ledger.count_states
    counts = count(records, source_rows=source_rows, superseded=superseded)
    plan = planning.plan_delivery(
        config.batch,
        engine_slots,
        records=counts.to_send,
        payload_bytes=counts.payload_bytes,
        one_item_per_request=call in ONE_ITEM_CALLS,
    )
    return Work(records, deliverable, counts, plan)


def _knows(earlier: DataFrame | None, sync: str) -> bool:
    """Whether an earlier run of the sync wrote anything."""
    return earlier is not None and not earlier.where(F.col("sync") == sync).limit(1).isEmpty()


def _deliver(config: SyncConfig, tables: Tables, work: Work, settings: DeliverySettings, progress: Progress) -> None:
    """Delivery → results: the one action."""
    records = ledger.add_message_id(work.deliverable, config.sync.name)
    arranged = engine.arrange_records(records, work.plan)
    statuses = engine.deliver_records(arranged, settings, config.sync.name, config.delivery.engine)
    with (
        engine.TaskProgress(tables.spark, settings.run_id, work.plan.partitions, progress.delivered),
        engine.arrow_chunks(tables.spark),
    ):
        results.append_record_status(tables, statuses, run_id=settings.run_id, wave=settings.wave)


def _read_back(config: SyncConfig, tables: Tables, claim: results.Claim, *, delivered: bool) -> DeliveryCounts:
    """Counts what was persisted, and fills `batch_operations`, also for earlier runs that died."""
    if not delivered and not claim.unfinished:
        return results.count_statuses(tables, claim.run_id, claim.sync)
    with ThreadPoolExecutor(max_workers=2) as pool:
        counting = pool.submit(results.count_statuses, tables, claim.run_id, claim.sync)
        summing = pool.submit(results.sum_batches, tables, claim.run_id, claim.sync)
        results.append_batch_operations(
            tables,
            claim.sync,
            [claim.run_id, *claim.unfinished],
            error_threshold_percent=config.batch.error_threshold_percent,
            priority=config.sync.priority.value,
            strategy=config.batch.strategy.value,
        )
        sums = summing.result()
        return replace(
            counting.result(),
            requests=int(sums["requests"]),
            retries=int(sums["retries"]),
            bytes=int(sums["bytes"]),
            compressed_bytes=int(sums["compressed_bytes"]),
            throttled_seconds=sums["throttled_seconds"],
        )


@contextlib.contextmanager
def _explained(config: SyncConfig) -> Iterator[None]:
    """Turns what Spark raises into one sentence."""
    try:
        yield
    except CioSparkError:
        raise
    except Exception as error:  # Spark's exceptions have no common root, and their texts quote values
        raise spark_errors.explain_failure(error, config.expressions()) from None
