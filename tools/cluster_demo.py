"""Runs the main job on a standalone cluster on loopback: wheel and job are submitted, and the result is shown.

Driver and executors run in an environment that has the libraries, but not this project: they import it from the wheel
that is submitted. Nothing is left behind, also after Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

# standalone_cluster, submission and wheel_building are in tests/support, because tests/cluster uses them too;
# `make cluster-demo` puts that folder on the import path
from standalone_cluster import Cluster
from submission import Submitted, Submitter
from wheel_building import PROJECT, add_libraries, make_environment, own_libraries, zip_wheel

from cio_spark.standin.process import StandInProcess

CONF = PROJECT / "cio_spark" / "demo" / "purchases.yml"
WHERE = "purchased_at >= '2017-12-25'"
EXECUTORS = 2
JOB_SECONDS = 900.0

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Build, start, submit and show; return 0 if the stand-in got what the tables count as accepted."""
    # These JVMs live too briefly for the optimising compiler to pay off
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Processes that were killed may still be writing
    with tempfile.TemporaryDirectory(prefix="cio-spark-cluster-", ignore_cleanup_errors=True) as folder:
        try:
            return show(Path(folder))
        except KeyboardInterrupt:
            console.print("stopped; cluster, stand-in and files are removed")
            return 128 + signal.SIGINT


def show(folder: Path) -> int:
    """Run the demo in a folder, and return its exit status."""
    console.print("building the wheel")
    wheel = zip_wheel(folder / "wheel")
    python = make_environment(folder / "environment")
    add_libraries(python, own_libraries())
    console.print(f"starting a master and {EXECUTORS} workers of one core each, and the stand-in")
    with Cluster(folder / "cluster", workers=EXECUTORS) as cluster, StandInProcess() as api:
        warehouse = folder / "warehouse"
        submitter = Submitter(cluster, python, folder / "submitted", warehouse, api.api_key, py_files=wheel)
        try:
            console.print(f"{cluster.master_url}: making a Delta table of a grocer's purchases")
            finish(submitter.submit(PROJECT / "tools" / "cluster_demo_tables.py", str(warehouse)))
            place = ["--warehouse", str(warehouse)]
            place += ["--set", f"source.where={WHERE}", "--set", f"api.base_url={api.url}"]
            console.print(
                f"\nspark-submit --master {cluster.master_url} --py-files {wheel.name} … "
                f"jobs/sync.py {CONF.relative_to(PROJECT)} …\n"
            )
            sync = submitter.submit(PROJECT / "jobs" / "sync.py", str(CONF), *place, "--log", "json", cores=EXECUTORS)
            finish(sync)
            console.print("\nspark-submit … jobs/status.py …\n")
            finish(submitter.submit(PROJECT / "jobs" / "status.py", str(CONF), *place))
            accepted, got = sync.events()[-1]["accepted"], api.summary()["messages"]
            console.print(f"\nthe stand-in got {got:,} messages; the tables say {accepted:,} accepted")
            return 0 if got == accepted else 1
        finally:
            submitter.end()
            console.print("stopping the cluster and removing what was made")


def finish(submitted: Submitted) -> None:
    """Wait for a job, and print what it has said to its user.

    Raises:
        SystemExit: the job did not end well.
    """
    status = submitted.wait(JOB_SECONDS)
    console.print("\n".join(submitted.sentences()), markup=False)
    if status != 0:
        console.print(submitted.story(), markup=False)
        raise SystemExit(status)


if __name__ == "__main__":
    raise SystemExit(main())
