"""Measures commands on a small table: cold, beside a bare script, and a sync with nothing to do in a warm session."""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
from pathlib import Path

import yaml
from cold_process import ColdRun, run_cold
from people import People
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table
from sink import API_KEY, Sink, open_sink
from spark_work import Execution, SparkWork, watch_spark

from cio_spark.clock import SystemClock
from cio_spark.errors import CioSparkError
from cio_spark.spark.session import build_session

ROWS = 2000
WARM_UP_RUNS = 5
DATABASE = "small"
BARE = "bare script"
# Largest ratios to the bare script that are asked for, and a text that the output of the command must contain
ASKED = {"sync": 1.2, "status": 1.0, "explain": 1.1, "monitor": 1.1}
EXPECTED = {
    BARE: "2000 rows counted",
    "sync": r"accepted\W+0\W[\s\S]*balanced",
    "status": "succeeded",
    "explain": "person-0000000007",
    "monitor": "people: healthy",
}
MOST_WARM_SECONDS, MOST_JOBS, MOST_COMMITS = 2.0, 12, 3

console = Console(width=150)


def main() -> None:
    """Measure the warm sync, then the cold commands, and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each command; the medians are printed")
    parser.add_argument("--warehouse", type=Path, default=Path(".cio-spark/bench-small/warehouse"))
    chosen = parser.parse_args()
    if chosen.rounds < 1:
        parser.error("needs at least one round")
    warehouse = chosen.warehouse.resolve()
    shutil.rmtree(warehouse, ignore_errors=True)
    with open_sink() as sink:
        spark = build_session(warehouse, app_name="cio-spark-bench-small")
        try:
            conf = _set_up(spark, warehouse, sink)
            _measure_warm(spark, warehouse, sink, chosen.rounds)
        finally:
            spark.stop()
        _measure_cold(conf, warehouse, chosen.rounds)


def _set_up(spark: SparkSession, warehouse: Path, sink: Sink) -> Path:
    """Write the table and the sync file, and send everything once, so that nothing is left to do."""
    people = People(spark, warehouse, sink, ROWS, DATABASE)
    people.write()
    people.sync(accepted=ROWS)
    spark.createDataFrame([("then",)], "at STRING").write.format("delta").save(str(_appended(warehouse)))
    conf = warehouse / "small.yml"
    conf.write_text(yaml.safe_dump(people.settings()), encoding="utf-8")
    return conf


def _appended(warehouse: Path) -> Path:
    return warehouse / "bench" / "appended"


def _measure_warm(spark: SparkSession, warehouse: Path, sink: Sink, rounds: int) -> None:
    """Measure a sync with nothing to do, with alerts and without, and list what it has Spark do."""
    clock = SystemClock()
    table = Table(title="warm session, nothing to do", title_justify="left")
    for heading in ("sync", "seconds", "slowest", "jobs", "on source", "executions", "commits", "met"):
        table.add_column(heading, justify="right" if table.columns else "left")
    works: list[SparkWork] = []
    for alerts in (False, True):
        people = People(spark, warehouse, sink, ROWS, DATABASE, {"batch": {"enable_monitoring": alerts}})
        for _ in range(WARM_UP_RUNS):
            people.sync(accepted=0)
        seconds = []
        for _ in range(rounds):
            with watch_spark(spark, warehouse) as work:
                began = clock.monotonic()
                people.sync(accepted=0)
                seconds.append(clock.monotonic() - began)
            works.append(work)
        listed = works[-1]
        median, counts = statistics.median(seconds), (len(listed.jobs), len(listed.commits))
        met = median <= MOST_WARM_SECONDS and counts[0] <= MOST_JOBS and counts[1] <= MOST_COMMITS
        table.add_row(
            "with alerts (default)" if alerts else "without alerts",
            *(f"{value:.2f}" for value in (median, max(seconds))),
            *(str(count) for count in (counts[0], listed.jobs_on(people.source), len(listed.executions), counts[1])),
            "yes" if met else "no",
        )
    console.print(table)
    console.print(f"asked: ≤ {MOST_WARM_SECONDS:g} s, ≤ {MOST_JOBS} jobs, ≤ {MOST_COMMITS} commits")
    _print_work(works[-1])


def _print_work(work: SparkWork) -> None:
    """Print the SQL executions, the jobs outside of them, and the commits, as tables for docs/performance.md."""
    print("\n| execution | jobs | of | what |\n|---|---|---|---|")
    for number, one in enumerate(work.executions, 1):
        print(f"| {number} | {len(one.jobs)} | {_tables_of(one)} | {_without_folders(one.description)} |")
    inside = {job for one in work.executions for job in one.jobs}
    for job, name in work.jobs.items():
        if job not in inside:
            print(f"| – | 1 | | {_without_folders(name) or 'a job without a call site'} |")
    print("\n| commit |\n|---|")
    for commit in work.commits:
        print(f"| {commit} |")
    print()


def _tables_of(one: Execution) -> str:
    """Return the tables that an execution reads; `log` means that it reads the log of one, and no rows."""
    names = set()
    for place in one.places:
        path = Path(place)
        parts = path.parts
        if "_delta_log" in parts:
            names.add(f"{parts[parts.index('_delta_log') - 1]} (log)")
        else:
            names.add(path.name)
    return ", ".join(sorted(names))


def _without_folders(description: str) -> str:
    """Shorten the call site: the folders of a Python file say nothing that its name does not."""
    return re.sub(r"/\S*/(cio_spark|benchmarks)/", r"\1/", description)


def _measure_cold(conf: Path, warehouse: Path, rounds: int) -> None:
    """Measure the commands and the bare script in turns; every round begins with another one."""
    program = str(Path(sys.executable).parent / "cio-spark")
    said, there = str(conf), ["--warehouse", str(warehouse)]
    source, script = warehouse / "bench" / DATABASE, Path(__file__).with_name("bare_script.py")
    commands = {
        BARE: [sys.executable, str(script), str(warehouse), str(source), str(_appended(warehouse))],
        "sync": [program, "sync", said, *there],
        "status": [program, "status", said, *there],
        "explain": [program, "explain", said, "--record", "person-0000000007", *there],
        "monitor": [program, "monitor", said, "--minutes", "60", *there],
    }
    runs: dict[str, list[ColdRun]] = {name: [] for name in commands}
    names = list(commands)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            run = run_cold(commands[name], {"CUSTOMERIO_API_KEY": API_KEY})
            if not re.search(EXPECTED[name], run.output):
                raise SystemExit(f"{name} printed something else than {EXPECTED[name]!r}:\n{run.output}")
            runs[name].append(run)
            console.print(f"  cold {name}: {run.seconds:.1f} s, {run.cpu_seconds:.1f} s of CPU")
    _print_cold(runs)


def _print_cold(runs: dict[str, list[ColdRun]]) -> None:
    table = Table(title=f"cold processes, medians of {len(runs[BARE])}", title_justify="left")
    for heading in ("command", "seconds", "slowest", "CPU seconds", "÷ bare", "asked", "met", "CPU ÷ bare"):
        table.add_column(heading, justify="right" if table.columns else "left")
    seconds = {name: statistics.median(run.seconds for run in those) for name, those in runs.items()}
    cpu = {name: statistics.median(run.cpu_seconds for run in those) for name, those in runs.items()}
    for name, those in runs.items():
        ratio, most = seconds[name] / seconds[BARE], ASKED.get(name)
        table.add_row(
            name,
            *(f"{value:.1f}" for value in (seconds[name], max(run.seconds for run in those), cpu[name])),
            f"{ratio:.2f}",
            *(("", "") if most is None else (f"≤ {most:g}", "yes" if ratio <= most else "no")),
            f"{cpu[name] / cpu[BARE]:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    try:
        main()
    except CioSparkError as error:
        raise SystemExit(str(error)) from None
