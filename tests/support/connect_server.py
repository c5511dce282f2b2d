"""Runs a Spark Connect server with Delta on loopback, as a process of its own: the client has no JVM."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyspark

import cio_spark.spark
from cio_spark.clock import SystemClock
from cio_spark.runtime import cache_folder
from cio_spark.spark.jars import delta_jars

QUIET_LOGGING = Path(cio_spark.spark.__file__).with_name("log4j2-quiet.properties")


@contextlib.contextmanager
def connect_server(folder: Path, warehouse: Path, **environment: str) -> Iterator[str]:
    """Start a server, yield its address, and end it with its workers.

    Args:
        folder: folder for the server's messages.
        warehouse: folder of tables without a location of their own.
        environment: environment variables that only the server and its workers have.
    """
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = any_port.getsockname()[1]
    settings = {
        "spark.master": "local[2]",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.jars": ",".join(delta_jars(cache_folder(), folder / "jars.log")),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{QUIET_LOGGING}",
    }
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit")]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    for name, value in settings.items():
        command += ["--conf", f"{name}={value}"]
    # A client's variable would make the server's process a client too
    own = {name: value for name, value in os.environ.items() if name != "SPARK_REMOTE"}
    own.update({"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", **environment})
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=own, start_new_session=True)
    try:
        _wait_for(port, process, log)
        yield f"sc://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + 120
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        assert clock.monotonic() < deadline, log.read_text()[-2000:]
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        clock.sleep(0.1)
