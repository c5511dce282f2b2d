"""Submits the project's jobs to a cluster by `spark-submit`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standalone_cluster import SPARK_HOME, Cluster, kill_group, spark_environment
from wheel_building import PROJECT

from cio_spark.runtime import cache_folder
from cio_spark.spark.jars import delta_jars

KEY_VARIABLE = "CUSTOMERIO_API_KEY"
_EVENT = '{"timestamp": '


def events_in(text: str) -> list[dict[str, Any]]:
    """Return the events in a log to which others write as well."""
    return [json.loads(line) for line in text.splitlines() if line.startswith(_EVENT)]


@dataclass
class Submitted:
    """Describes a `spark-submit` that runs or has ended.

    Attributes:
        process: the process; it leads a session of its own, to which the driver's JVM and Python belong.
        output: file with what the job says to its user.
        log: file with what Spark says.
    """

    process: subprocess.Popen[bytes]
    output: Path
    log: Path

    @property
    def exit_status(self) -> int | None:
        """Exit status of the process, or None while it runs."""
        return self.process.poll()

    def wait(self, seconds: float) -> int:
        """Wait at most so many seconds for the end, and return the exit status."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Kill the whole driver with SIGKILL."""
        kill_group(self.process)

    def stop(self) -> None:
        """Stop the driver with SIGSTOP, as if its machine slept; its executors do not know that."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a stopped driver go on."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def said(self) -> str:
        """Return what the job has said to its user on standard output or standard error.

        spark-submit makes one stream of the two.
        """
        return self.output.read_text(encoding="utf-8")

    def sentences(self) -> list[str]:
        """Return what the job has said to its user, without the events."""
        return [line for line in self.said().splitlines() if line.strip() and not line.startswith(_EVENT)]

    def events(self) -> list[dict[str, Any]]:
        """Return the events that the driver has logged."""
        return events_in(self.said())

    def executor_of(self, partition: int) -> int:
        """Return the number of the executor that got the newest first attempt of this partition.

        The number is read from Spark's log.
        """
        started = rf"Starting task {partition}\.0 in stage .*,\s*executor (\d+), partition {partition},"
        return int(re.findall(started, self.log.read_text(encoding="utf-8", errors="replace"))[-1])

    def story(self) -> str:
        """Return what the job has said, and the end of Spark's log, for the message of a failed test."""
        return self.said() + "\n…\n" + self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


@dataclass
class Submitter:
    """Submits the project's jobs.

    Attributes:
        cluster: the cluster to submit to.
        python: Python of the environment with the wheel.
        folder: folder of the logs; also the driver's working folder.
        warehouse: folder of local tables.
        key: the API's key.
        executor_memory: memory of each executor, such as `1g`.
        py_files: zip file whose modules driver and executors can import; None if `python` has all of them.
        submitted: all submissions, so that `end` can kill those that still run.
    """

    cluster: Cluster
    python: Path
    folder: Path
    warehouse: Path
    key: str
    executor_memory: str = "1g"
    py_files: Path | None = None
    submitted: list[Submitted] = field(default_factory=list)

    def sync(
        self, conf: Path, *, cores: int = 2, script: Path = PROJECT / "jobs" / "sync.py", log: str = "json"
    ) -> Submitted:
        """Submit `jobs/sync.py`.

        Args:
            conf: the sync file.
            cores: number of executors, of one core each.
            script: script to submit instead, with the same arguments.
            log: value of `--log`, which says how the job logs events.
        """
        return self.submit(script, str(conf), "--warehouse", str(self.warehouse), "--log", log, cores=cores)

    def submit(self, script: Path, *arguments: str, cores: int = 2) -> Submitted:
        """Submit a script with its arguments.

        Args:
            script: the script.
            arguments: its arguments.
            cores: number of executors, of one core each.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [str(SPARK_HOME / "bin" / "spark-submit"), "--master", self.cluster.master_url]
        for key, value in self._settings(cores).items():
            command += ["--conf", f"{key}={value}"]
        if self.py_files is not None:
            command += ["--py-files", str(self.py_files)]
        command += [str(script), *arguments]
        number = len(self.submitted)
        output, spark_log = self.folder / f"{number}.out", self.folder / f"{number}.log"
        python = {"PYSPARK_PYTHON": str(self.python), "PYSPARK_DRIVER_PYTHON": str(self.python)}
        with output.open("wb") as to_user, spark_log.open("wb") as to_log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**spark_environment(), **python, KEY_VARIABLE: self.key},
                stdout=to_user,
                stderr=to_log,
                start_new_session=True,
            )
        submitted = Submitted(process, output, spark_log)
        self.submitted.append(submitted)
        return submitted

    def end(self) -> None:
        """Kill the submissions that still run."""
        for one in self.submitted:
            if one.exit_status is None:
                one.kill()

    def _settings(self, cores: int) -> Mapping[str, str]:
        jars = delta_jars(cache_folder(), self.folder / "jars.log")
        return {
            # Every process is on this machine, so none needs a copy
            "spark.jars": ",".join(f"local:{jar}" for jar in jars),
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.sql.warehouse.dir": str(self.warehouse),
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "4",
            "spark.databricks.delta.snapshotPartitions": "2",
            # The shuffle files of a killed executor are gone, as they would be on separate machines
            "spark.shuffle.readHostLocalDisk": "false",
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "2g",
            "spark.executor.cores": "1",
            "spark.executor.memory": self.executor_memory,
            "spark.cores.max": str(cores),
        }
