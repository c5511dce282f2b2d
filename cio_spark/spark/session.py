"""Opens the Spark session that a command works with: a cluster's own, or a local one with Delta."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cio_spark import runtime
from cio_spark.errors import CioSparkError, ConfigurationError
from cio_spark.extras import require_libraries
from cio_spark.spark.conf import read_setting

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DEFAULT_WAREHOUSE = Path(".cio-spark") / "warehouse"
_CATALOG = re.compile(r"spark\.sql\.catalog\.[^.]+")
_QUIET_LOGGING = Path(__file__).with_name("log4j2-quiet.properties")


@dataclass(frozen=True)
class CommandSession:
    """Holds the session that a command works with.

    Attributes:
        spark: the session.
        warehouse: folder of local tables; None if a catalog knows the tables.
        log: file with Spark's own messages; None if the cluster keeps them, or if they go to the terminal.
    """

    spark: SparkSession
    warehouse: Path | None
    log: Path | None


def open_session(warehouse: Path | None, *, debug: bool = False) -> CommandSession:
    """Open the session that a command works with: a cluster's own, or a local one with Delta and a warehouse folder.

    Args:
        warehouse: folder that `--warehouse` names. If None, `CIO_SPARK_WAREHOUSE` decides. If that is not set either,
            the catalog is used on clusters whose catalog outlives the session, and the default folder everywhere else.
        debug: leave Spark's messages on the terminal.

    Raises:
        ConfigurationError: pyspark or Delta is not installed (`MissingLibraryError`), or there is no Java.
    """
    require_libraries("pyspark")
    chosen = warehouse or runtime.warehouse_of_environment()
    if runtime.has_session_elsewhere():
        return _cluster_session(chosen)
    folder = chosen or DEFAULT_WAREHOUSE
    return CommandSession(build_session(folder, debug=debug), folder, None if debug else log_file(folder))


def silence_quoting_loggers() -> None:
    """Stop pyspark and py4j from logging values and the key.

    Pyspark would log whole plans, which quote values, for errors that get a sentence of ours. Py4j would log every byte
    that it exchanges with the JVM, and these bytes include the tasks' closure, which contains the key.
    """
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).disabled = True
    for name in ("py4j.clientserver", "py4j.java_gateway"):
        logging.getLogger(name).setLevel(logging.INFO)


def _cluster_session(warehouse: Path | None) -> CommandSession:
    from pyspark.sql import SparkSession

    silence_quoting_loggers()
    spark = SparkSession.builder.appName("cio-spark").getOrCreate()
    extensions = read_setting(spark, "spark.sql.extensions", "")
    is_hidden = extensions is None or runtime.is_on_databricks()
    if not is_hidden and "DeltaSparkSessionExtension" not in (extensions or ""):
        raise ConfigurationError.of(
            "spark.sql.extensions",
            "lacks Delta: submit with --packages io.delta:delta-spark_<Spark's version>, "
            "--conf spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension and "
            "--conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog",
        )
    if warehouse is None and not runtime.is_on_databricks() and _forgets_tables(spark):
        warehouse = DEFAULT_WAREHOUSE
    return CommandSession(spark, warehouse, None)


def _forgets_tables(spark: SparkSession) -> bool:
    """Tell whether the session's only catalog is in memory, so that the next session would not find its tables."""
    if read_setting(spark, "spark.sql.catalogImplementation", "in-memory") != "in-memory":
        return False
    settings = {row["key"]: row["value"] for row in spark.sql("SET").collect()}
    catalogs = {key: value for key, value in settings.items() if _CATALOG.fullmatch(key)}
    own = catalogs.pop("spark.sql.catalog.spark_catalog", "")
    return not catalogs and own.endswith(".DeltaCatalog")


def log_file(warehouse: Path) -> Path:
    """Return the file for the messages of a local session."""
    return warehouse.parent / "spark.log"


def build_session(warehouse: Path, *, app_name: str = "cio-spark", debug: bool = False) -> SparkSession:
    """Build a local session with Delta; its messages go to a file beside the warehouse.

    Args:
        warehouse: folder of local tables.
        app_name: name that Spark's UI shows.
        debug: leave Spark's messages on the terminal.

    Raises:
        ConfigurationError: Delta or Java is missing, or the warehouse cannot be written.
    """
    require_libraries("pyspark", "delta")
    from pyspark.sql import SparkSession

    silence_quoting_loggers()
    if not runtime.has_java():
        raise ConfigurationError.of("Java", "is missing: install Java 17 (Debian: apt install openjdk-17-jre-headless)")
    log = log_file(warehouse)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError as error:
        raise ConfigurationError.of(
            "warehouse", f"{warehouse} cannot be written ({error.strerror}): choose another with --warehouse"
        ) from None
    runtime.prepare_local_spark()
    from cio_spark.spark.jars import delta_jars

    jars = delta_jars(runtime.cache_folder(), log)
    builder = SparkSession.builder.master("local[*]").appName(app_name)
    for key, value in {
        "spark.jars": ",".join(jars),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": str(warehouse.resolve()),
        "spark.sql.session.timeZone": "UTC",
        # The default of Spark 4: a failing cast is then an error on Spark 3.5 too
        "spark.sql.ansi.enabled": "true",
        "spark.sql.shuffle.partitions": "4",
        # Number of tasks in which VACUUM lists files; the default is 10,000
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        # A sync compiles about 110 classes; Spark's default cache of 100 would evict classes that the next sync needs
        "spark.sql.codegen.cache.maxEntries": "1000",
        "spark.databricks.delta.snapshotPartitions": "1",
        # Spark writes the plan of every query for the UI, although the UI is off; `simple` is the shortest form
        "spark.sql.ui.explainMode": "simple",
        "spark.ui.enabled": "false",
        # Running tasks report their metrics with the heartbeats, every 10 s by default; progress is shown from them
        "spark.executor.heartbeatInterval": "1s",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{_QUIET_LOGGING}",
    }.items():
        builder = builder.config(key, value)
    with contextlib.nullcontext() if debug else _standard_error_to(log):
        try:
            return builder.getOrCreate()
        except Exception as error:  # a JVM that does not start leads to many kinds of errors
            raise CioSparkError(
                f"Spark did not start ({type(error).__name__}): Java 17 is needed; see {log} for what Java said"
            ) from None


@contextlib.contextmanager
def _standard_error_to(log: Path) -> Iterator[None]:
    """Redirect standard error to a file while the JVM starts.

    The JVM keeps writing to the file; this process gets its own standard error back.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with log.open("ab") as output:
            os.dup2(output.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
