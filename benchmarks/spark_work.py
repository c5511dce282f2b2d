"""Lists the Spark jobs, SQL executions and Delta commits of a block of code, as Spark and Delta record them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

_PLACE = re.compile(r"file:/+([^\s\[\],]+)")
_LONGEST_TEXT = 100_000
_NO_CALL_SITE = " at <unknown>:0"
# Nodes of a plan that say nothing about what it does
_FRAMES = frozenset({"AdaptiveSparkPlan", "ResultQueryStage"})


@dataclass(frozen=True)
class Execution:
    """Describes one SQL execution.

    Attributes:
        number: its number in the session.
        description: what Spark says about it: the call site, or what Delta does. Where Spark does not know the line of
            Python, the method is followed by the topmost node of the plan.
        jobs: numbers of its Spark jobs.
        places: folders that its plan reads or writes; a folder that ends in `_delta_log` is the log of a table.
    """

    number: int
    description: str
    jobs: tuple[int, ...]
    places: frozenset[str]

    def touches(self, folder: Path) -> bool:
        """Tell whether the execution read or wrote a table, or its log."""
        text = str(folder).lstrip("/")
        return any(place == text or place.startswith(f"{text}/") for place in self.places)


@dataclass
class SparkWork:
    """Holds what the code of a block had Spark and Delta do; complete when the block has ended.

    Attributes:
        jobs: call site of each Spark job, by its number.
        executions: the SQL executions.
        commits: table and operation of each Delta commit, such as `sync_runs: WRITE`. The commits of a table that the
            block has dropped again, such as a staging table, are not among them.
    """

    jobs: dict[int, str] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)

    def jobs_on(self, folder: Path) -> int:
        """Count the jobs of the executions that read or wrote a table, or its log."""
        return len({job for one in self.executions if one.touches(folder) for job in one.jobs})


@contextlib.contextmanager
def watch_spark(spark: SparkSession, warehouse: Path) -> Iterator[SparkWork]:
    """Watch what the block has Spark and Delta do; the result is filled in at the end of the block.

    Args:
        spark: the session.
        warehouse: folder whose Delta tables are watched.
    """
    # Plans name the tables that they read, in full; the default cuts paths after 100 characters
    spark.conf.set("spark.sql.maxMetadataStringLength", str(_LONGEST_TEXT))
    context: Any = spark.sparkContext._jsc
    session: Any = spark._jsparkSession
    sql_store = session.sharedState().statusStore()
    _wait(context)
    first_job = context.sc().dagScheduler().numTotalJobs()
    last_execution = max((one.executionId() for one in _items(sql_store.executionsList())), default=-1)
    commits = _commits(warehouse)
    work = SparkWork()
    yield work
    _wait(context)
    for job in _items(context.sc().statusStore().jobsList(None)):
        if job.jobId() >= first_job:
            work.jobs[job.jobId()] = job.name()
    begun = context.sc().dagScheduler().numTotalJobs() - first_job
    if len(work.jobs) != begun:
        raise SystemExit(f"Spark lists {len(work.jobs)} of {begun} jobs: too many for spark.ui.retainedJobs")
    for one in _items(sql_store.executionsList()):
        if one.executionId() > last_execution:
            work.executions.append(_read_execution(one))
    work.executions.sort(key=lambda one: one.number)
    for path, table in _commits(warehouse).items():
        if path not in commits:
            work.commits.append(f"{table}: {_operation(path)}")


def _wait(context: Any) -> None:
    """Wait until Spark's listeners have seen all events."""
    context.sc().listenerBus().waitUntilEmpty()


def _items(sequence: Any) -> list[Any]:
    """Return the items of a Scala sequence."""
    return [sequence.apply(index) for index in range(sequence.size())]


def _read_execution(one: Any) -> Execution:
    numbers, plan = str(one.jobs().keys().mkString(",")), str(one.physicalPlanDescription())
    description = str(one.description())
    if description.endswith(_NO_CALL_SITE):
        description = f"{description.removesuffix(_NO_CALL_SITE)}: {_topmost_node(plan)}"
    places = frozenset(place.rstrip("/") for place in _PLACE.findall(plan))
    jobs = tuple(sorted(int(number) for number in numbers.split(",") if number))
    return Execution(one.executionId(), description, jobs, places)


def _topmost_node(plan: str) -> str:
    """Return the name of the topmost node that does something; with a command, also the command's name."""
    for line in plan.splitlines():
        words = re.findall(r"[A-Za-z]+", line)
        if words and "==" not in line and words[0] not in _FRAMES:
            return " ".join(words[: 2 if words[0] == "Execute" else 1])
    return "?"


def _commits(warehouse: Path) -> Mapping[Path, str]:
    """Return the file of each commit, with the name of its table."""
    return {path: path.parents[1].name for path in warehouse.glob("**/_delta_log/" + "[0-9]" * 20 + ".json")}


def _operation(commit: Path) -> str:
    """Read the operation that a commit names; a commit is a file of JSON lines."""
    for line in commit.read_text(encoding="utf-8").splitlines():
        if info := json.loads(line).get("commitInfo"):
            return str(info.get("operation", "?"))
    return "?"
