"""Tests that the workflow of GitHub calls targets of the Makefile only, on pairs of Python and Spark that work."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
KEYS_OF_JOBS = {"name", "if", "runs-on", "timeout-minutes", "strategy", "steps"}
KEYS_OF_STEPS = {"uses", "with", "run"}
PYTHONS = {
    "3.5": {"3.10", "3.11"},
    "4.0": {"3.10", "3.11", "3.12", "3.13"},
    "4.1": {"3.10", "3.11", "3.12", "3.13"},
    "4.2": {"3.10", "3.11", "3.12", "3.13"},
}
"""The versions of Python that each version of Spark supports, of those that this package supports."""


def variable(name: str) -> str:
    found = re.search(rf"^{name} := (.*)$", MAKEFILE, re.MULTILINE)
    assert found
    return found[1]


def commands() -> list[tuple[str, str]]:
    """Return the job and the text of every step that runs a command."""
    return [(name, step["run"]) for name, job in JOBS.items() for step in job["steps"] if "run" in step]


def pairs() -> set[tuple[str, str]]:
    """Return every pair of Spark and Python that a matrix gives, without those that it excludes."""
    found = set()
    for job in JOBS.values():
        matrix = job.get("strategy", {}).get("matrix")
        if matrix:
            assert set(matrix) <= {"spark", "python", "exclude"}
            excluded = {(pair["spark"], pair["python"]) for pair in matrix.get("exclude", [])}
            found |= set(itertools.product(matrix.get("spark", [variable("SPARK")]), matrix["python"])) - excluded
    return found


def test_the_workflow_has_the_keys_that_github_knows() -> None:
    # YAML 1.1 reads the key `on` as true
    assert set(WORKFLOW) == {"name", True, "permissions", "concurrency", "jobs"}
    assert set(WORKFLOW[True]) == {"push", "pull_request", "schedule", "workflow_dispatch"}
    assert WORKFLOW["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_and_its_steps_have_the_keys_that_github_knows(name: str) -> None:
    job = JOBS[name]
    assert {"runs-on", "timeout-minutes", "steps"} <= set(job) <= KEYS_OF_JOBS
    for step in job["steps"]:
        assert set(step) <= KEYS_OF_STEPS
        assert ("uses" in step) is not ("run" in step)


def test_every_command_is_a_target_of_the_makefile_with_variables_that_it_has() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for _, command in commands():
        word, target, *assignments = re.sub(r"\$\{\{.*?\}\}", "x", command).split()
        assert (word, target in targets) == ("make", True), command
        for assignment in assignments:
            name = assignment.partition("=")[0]
            assert re.search(rf"^{name} := |\$\({name}\)", MAKEFILE, re.MULTILINE), command


def test_the_jobs_lint_build_the_site_and_run_all_kinds_of_tests() -> None:
    assert {command.split()[1] for _, command in commands()} == {
        *("lint", "docs", "package", "test", "test-spark", "test-newest")
    }


def test_spark_supports_python_in_every_pair() -> None:
    assert {(spark, python) for spark, python in pairs() if python not in PYTHONS[spark]} == set()


def test_every_version_of_spark_and_of_python_is_tested() -> None:
    assert {spark for spark, _ in pairs()} == {variable("SPARK"), *variable("OTHER_SPARKS").split()} == set(PYTHONS)
    assert {python for spark, python in pairs() if spark == variable("SPARK")} == PYTHONS[variable("SPARK")]
