# Databricks notebook source
# MAGIC %md
# MAGIC # A tour of cio_spark
# MAGIC
# MAGIC It shows what the prototype notebook showed, on the product: configuration, a job in memory, its analysis, a
# MAGIC better configuration, errors, monitoring, Spark processing, the tables. In the end it does the same in the way
# MAGIC of the product, with a sync.
# MAGIC
# MAGIC Nothing leaves this machine: by default (widget `environment` is `test`) everything is sent to the embedded
# MAGIC stand-in for Customer.io, a real HTTP server in this process. Its address is loopback, so on Databricks use a
# MAGIC cluster of one node. Any other environment would send made-up people and events to the workspace of the region,
# MAGIC with the key of the secret `customerio`/`api_key`; that has to be said once more, in the code below.
# MAGIC
# MAGIC Every run of the notebook has tables of its own, in a database that it drops at the end: its stand-in is another
# MAGIC one each time, and what one has accepted says nothing about the next.
# MAGIC
# MAGIC Needed: the wheel of cio_spark on the cluster. On a laptop: `pip install 'cio-spark[spark]'`, Java 17, then
# MAGIC `python notebooks/tour.py`.

# COMMAND ----------

# MAGIC %md
# MAGIC ## Configuration and client

# COMMAND ----------

import json
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pydantic import ValidationError as PydanticValidationError
from pyspark.sql import functions as F

from cio_spark import (
    BatchConfiguration,
    BatchErrorHandler,
    BatchJob,
    BatchMetrics,
    BatchMonitor,
    BatchPerformanceAnalyzer,
    BatchStrategy,
    CustomerIOClient,
    CustomerIOError,
    ParallelBatchProcessor,
    ProcessingPriority,
    create_intelligent_batches,
    load_config,
    process_large_dataset_with_spark,
    run_sync,
)
from cio_spark.clock import SystemClock
from cio_spark.config import ApiKey
from cio_spark.errors import ConfigurationError
from cio_spark.monitoring.check import check_sync
from cio_spark.pipeline import preview_sync
from cio_spark.results import Tables, set_up_tables
from cio_spark.runtime import create_widgets, find_api_key, is_on_databricks, read_widgets
from cio_spark.spark.session import build_session
from cio_spark.standin import Fault, StandIn

# COMMAND ----------

# The widgets are the prototype's; away from Databricks there are none, and the values below hold
create_widgets(database_name="customerio_tour", environment="test")
widgets = read_widgets()
ENVIRONMENT = widgets.environment or "test"
SEND_TO_A_REAL_WORKSPACE = False  # True sends the made-up people and events of this notebook to Customer.io
if ENVIRONMENT != "test" and not SEND_TO_A_REAL_WORKSPACE:
    raise ConfigurationError.of(
        "environment",
        f"is {ENVIRONMENT}: the tour would send made-up people and events to a real workspace; leave it at test, or "
        "set SEND_TO_A_REAL_WORKSPACE in this cell",
    )

RUN = f"{datetime.now(timezone.utc):%Y%m%d_%H%M%S_%f}"  # part of every name of this run of the notebook

folder = Path(tempfile.mkdtemp(prefix="cio-spark-tour-"))
warehouse = None if is_on_databricks() else folder / "warehouse"
if "spark" not in globals():  # a notebook on Databricks has its session
    spark = build_session(warehouse, app_name="cio_spark tour")

api = StandIn().start() if ENVIRONMENT == "test" else None
print(f"environment {ENVIRONMENT}: {api.url if api else 'the address of the region'}")

# COMMAND ----------

# One sync file says what is sent and how; here it is written by the notebook, in a project it is in conf/syncs
(folder / "orders.yml").write_text(
    f"""
sync: {{name: tour_orders_{RUN}}}
source: {{table: tour_orders_{RUN}}}
payload:
  call: track
  record_id: order_id
  user_id: customer_id
  event: {{value: Order Placed}}
  timestamp: ordered_at
  properties: {{include: [amount, store]}}
batch: {{max_batch_size: 100, parallel_workers: 4, rate_limit_rps: 100}}
api: {{region: us, secret: {{scope: customerio, key: api_key}}}}
tables: {{database: customerio_tour}}
""",
    encoding="utf-8",
)
asked = load_config(folder / "orders.yml", overrides=widgets.overrides)
overrides = [*widgets.overrides, f"tables.database={asked.tables.database}_{RUN}"]
if api:
    overrides.append(f"api.base_url={api.url}")
sync = load_config(folder / "orders.yml", overrides=overrides)
api_key = ApiKey(api.api_key) if api else find_api_key(sync)
tables = Tables(spark, sync.tables, warehouse)
set_up_tables(tables)
print(f"region {sync.api.region}, tables in {tables.database}, key {api_key}")

# COMMAND ----------

client = CustomerIOClient(
    api_key=api_key,
    region=sync.api.region,
    base_url=api.url if api else None,
    timeout=30,
    max_retries=3,
    retry_backoff_factor=2.0,
    enable_logging=False,
)
hello = client.identify("tour_user", {"plan": "basic"})
print(f"the client sent {hello['processed']} record")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What the models check

# COMMAND ----------

# Every bound of the prototype holds; an assignment is checked too
out_of_bounds = {"max_batch_size": 10_001, "max_batch_bytes": 0, "parallel_workers": 21, "rate_limit_rps": 0}
refused = []
for field, value in out_of_bounds.items():
    try:
        BatchConfiguration(**{field: value})
    except PydanticValidationError as error:
        refused.append(field)
        print(f"{field}={value}: {error.errors()[0]['msg']}")

# COMMAND ----------

example = BatchMetrics(total_records=1000, successful_records=985, failed_records=15, processing_time_seconds=12.5)
example.calculate_derived_metrics()
print(f"error rate {example.error_rate_percent} %, {example.throughput_rps} records/s, healthy: {example.is_healthy()}")

# COMMAND ----------

sizes = {
    total: BatchConfiguration(max_batch_size=1000, parallel_workers=4).calculate_optimal_batch_size(total)
    for total in (0, 100, 1500, 10_000)
}
print(f"records: batch size {sizes}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Batches
# MAGIC They are cut by the bytes that are really sent, envelope and commas included.

# COMMAND ----------

test_config = BatchConfiguration(max_batch_size=5, max_batch_bytes=1024, parallel_workers=2)
test_data = [{"userId": f"user_{i}", "event": "Test Event", "properties": {"index": i}} for i in range(15)]
intelligent_batches = create_intelligent_batches(test_data, test_config)
for number, batch in enumerate(intelligent_batches):
    print(f"batch {number}: {len(batch)} records, {len(json.dumps({'batch': batch}))} bytes and more with ids")

# COMMAND ----------

# MAGIC %md
# MAGIC ## A job in memory

# COMMAND ----------

batch_config = BatchConfiguration(
    max_batch_size=100,
    max_batch_bytes=50 * 1024,
    parallel_workers=3,
    retry_attempts=2,
    timeout_seconds=30,
    rate_limit_rps=50,
    error_threshold_percent=2.0,
    strategy=BatchStrategy.ADAPTIVE,
)


def generate_test_events(count):
    """Return events of up to 1,000 users, a second apart."""
    base_time = datetime.now(timezone.utc)
    return [
        {
            "userId": f"batch_user_{i % 1000}",
            "event": "Batch Test Event",
            "properties": {
                "batch_index": i,
                "processing_group": i // 100,
                "event_category": ["engagement", "conversion", "retention"][i % 3],
            },
            "timestamp": base_time + timedelta(seconds=i),
        }
        for i in range(count)
    ]


test_events = generate_test_events(1500)
large_batch_job = BatchJob(
    job_name="Large Scale Event Processing",
    job_type="event_tracking",
    configuration=batch_config,
    total_records=len(test_events),
    priority=ProcessingPriority.HIGH,
    metadata={"source": "tour", "environment": ENVIRONMENT},
)
estimated_seconds = batch_config.estimate_processing_time(len(test_events))
print(f"{large_batch_job.total_records:,} records, estimated by the prototype's formula: {estimated_seconds:.1f} s")

# COMMAND ----------

processor = ParallelBatchProcessor(client, batch_config)
completed_job = processor.process_job(large_batch_job, test_events)
aggregate_metrics = completed_job.get_aggregate_metrics()
print(f"{completed_job.status.value}: {completed_job.processed_records:,} of {completed_job.total_records:,} records")
for name, value in aggregate_metrics.items():
    print(f"  {name}: {value:,.2f}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Analysis, and a better configuration

# COMMAND ----------

analyzer = BatchPerformanceAnalyzer()
performance_analysis = analyzer.analyze_job_performance(completed_job)
for part in ("job_summary", "performance_stats"):
    for name, value in performance_analysis[part].items():
        print(f"  {name}: {value}")
for bottleneck in performance_analysis["bottlenecks"]:
    print(f"  [{bottleneck['severity']}] {bottleneck['description']}: {bottleneck['metric']}")
for advice in performance_analysis["recommendations"]:
    print(f"  {advice['category']}: {advice['suggestion']}")

# COMMAND ----------

suggestion = analyzer.explain_suggestion(completed_job, target_throughput_rps=20_000.0)
optimal_config = suggestion.configuration
print(suggestion.overlay())

# COMMAND ----------

# MAGIC %md
# MAGIC ## Errors
# MAGIC They are real: a stand-in of its own is made to misbehave. Type and HTTP status of an error decide, not the
# MAGIC words of its message.

# COMMAND ----------

faults = {
    "too many requests": Fault(status=429),
    "server error": Fault(status=503),
    "no answer": Fault(drop_connection="before_reading"),
    "refused data": Fault(status=400),
    "refused key": Fault(status=401),
}
error_handler = BatchErrorHandler(batch_config)
recovery_actions = {}
with (
    StandIn() as broken,
    CustomerIOClient("standin-key", base_url=broken.url, max_retries=0, enable_logging=False) as probe,
):
    for what, fault in faults.items():
        broken.clear_faults()
        broken.script(fault)
        failed_batch = BatchMetrics(batch_id=what.replace(" ", "_"), total_records=50)
        events = [{"type": "track", "userId": f"user_{i}", "event": "Test"} for i in range(50)]
        try:
            probe.batch(events)
        except CustomerIOError as error:
            action = error_handler.handle_batch_error(failed_batch, error, events)
            recovery_actions[what] = (type(error).__name__, action["action"], action["should_retry"])
            print(f"{what}: {type(error).__name__}, {action}")

# COMMAND ----------

error_stats = error_handler.get_error_statistics()
print(error_stats)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Monitoring

# COMMAND ----------

monitor = BatchMonitor(batch_config)
for metrics in completed_job.batch_metrics:
    monitor.record_metrics(completed_job, metrics)
dashboard = monitor.get_real_time_dashboard()
print({name: value for name, value in dashboard.items() if name != "latest_alerts"})

# COMMAND ----------

# A batch with many errors that took long
problematic_metrics = BatchMetrics(
    batch_id="test_alert_batch",
    total_records=100,
    successful_records=80,
    failed_records=20,
    processing_time_seconds=75.0,
)
problematic_metrics.calculate_derived_metrics()
monitor.record_metrics(completed_job, problematic_metrics)
updated_dashboard = monitor.get_real_time_dashboard()
print(f"status: {updated_dashboard['status']}")
for alert in updated_dashboard["latest_alerts"]:
    print(f"  [{alert['severity']}] {alert['type']}: {alert['message']}")
trends = monitor.get_performance_trends(hours=24)
print(f"hours with batches: {trends['data_points']}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Spark: a whole DataFrame

# COMMAND ----------

large_dataset_size = 10_000
large_data_df = spark.range(large_dataset_size).select(
    F.concat(F.lit("user_"), F.col("id")).alias("user_id"),
    F.when(F.col("id") % 3 == 0, "Page Viewed")
    .when(F.col("id") % 3 == 1, "Product Viewed")
    .otherwise("Event Tracked")
    .alias("event_name"),
    F.current_timestamp().alias("event_timestamp"),
    F.struct(F.col("id").alias("batch_index"), (F.col("id") % 5).alias("category")).alias("properties"),
)
spark_results = process_large_dataset_with_spark(
    large_data_df,
    BatchConfiguration(max_batch_size=1000, parallel_workers=8, rate_limit_rps=200),
    "spark_bulk_processing",
    api={"region": sync.api.region, **({"base_url": api.url} if api else {})},
    tables={"catalog": sync.tables.catalog, "database": sync.tables.database},
    api_key=api_key,
    warehouse=warehouse,
)
for name, value in spark_results.items():
    if name != "batch_statistics":
        print(f"  {name}: {value}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The table `batch_operations`
# MAGIC It has the prototype's columns. Its batches are real, so no sample rows are inserted.

# COMMAND ----------

batch_ops_df = spark.table(tables.name("batch_operations"))
performance_summary = (
    batch_ops_df.groupBy("operation_type", "status")
    .agg(
        F.count("*").alias("batch_count"),
        F.avg("throughput_rps").alias("avg_throughput"),
        F.avg("error_rate_percent").alias("avg_error_rate"),
        F.sum("total_records").alias("total_records"),
    )
    .orderBy("operation_type", "status")
)
performance_summary.show(truncate=False)

# COMMAND ----------

recent_batches = batch_ops_df.where(F.col("started_at") >= F.current_timestamp() - F.expr("INTERVAL 24 HOURS")).select(
    "job_id", "batch_id", "operation_type", "status", "throughput_rps", "error_rate_percent", "processing_time_seconds"
)
recent_batches.show(5)
summary_rows, recent_count = performance_summary.collect(), recent_batches.count()

# COMMAND ----------

# MAGIC %md
# MAGIC ## The same as a sync
# MAGIC A sync remembers every row: it sends what is new or has changed, and its books say what became of each. First
# MAGIC the rows, one of them without a customer; then what a run would do.

# COMMAND ----------

ORDERS = """
SELECT concat('o', id) AS order_id, IF(id = 7, NULL, concat('c', id % 200)) AS customer_id,
       timestamp_seconds(1700000000 + id) AS ordered_at, double(id) / 10 AS amount, concat('store ', id % 9) AS store
FROM range({rows})
"""
place = tables.name(f"tour_orders_{RUN}")
# With its change feed on, later runs read only what has changed
spark.sql(
    f"CREATE OR REPLACE TABLE {place} USING delta{tables.location_clause(f'tour_orders_{RUN}')} "
    f"TBLPROPERTIES (delta.enableChangeDataFeed = true) AS {ORDERS.format(rows=2000)}"
)
orders = load_config(
    folder / "orders.yml",
    overrides=[*overrides, f"source.table={json.dumps(place)}", "batch.error_threshold_percent=1"],
)
preview = preview_sync(orders, spark=spark, warehouse=warehouse)
print(f"{preview.counts.new:,} new rows, {preview.counts.invalid} invalid, {preview.plan.batches} requests")
preview

# COMMAND ----------

first = run_sync(orders, spark=spark, api_key=api_key, warehouse=warehouse)
print(f"exit status {int(first.exit_status)}, {first.message}: {first.books.delivery.accepted:,} accepted")
first

# COMMAND ----------

# Again: nothing has changed, nothing is sent
again = run_sync(orders, spark=spark, api_key=api_key, warehouse=warehouse)
print(f"exit status {int(again.exit_status)}, {again.message}: {again.books.delivery.persisted} sent")
again

# COMMAND ----------

# A hundred orders more: only they are looked at, and sent
spark.sql(
    f"INSERT INTO {place} SELECT * FROM ({ORDERS.format(rows=2100)}) WHERE ordered_at >= timestamp_seconds(1700002000)"
)
later = run_sync(orders, spark=spark, api_key=api_key, warehouse=warehouse)
print(f"scope {later.scope.scope.value}: {later.books.delivery.accepted} accepted")
later

# COMMAND ----------

health = check_sync(orders, tables, clock=SystemClock())
print(f"health of the sync: {health.status}, {len(health.open_alerts)} open alerts")
spark.table(tables.name("record_status")).where(F.col("sync") == orders.sync.name).groupBy(
    "status", "error_code"
).count().show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Summary and clean-up

# COMMAND ----------

client.close()
processor.close()
sent = 1 + completed_job.processed_records + spark_results["successful_records"]
sent += sum(result.books.delivery.accepted for result in (first, again, later))
print(f"accepted by the API, as this notebook counts: {sent:,}")
if api:
    received, duplicates = api.received.count(), api.received.duplicates()
    print(f"received, as the stand-in counts: {received:,}, twice: {len(duplicates)}")
    api.stop()

# The rows of this run are of no use to another one
spark.sql(f"DROP DATABASE {tables.database} CASCADE")
shutil.rmtree(folder, ignore_errors=True)
