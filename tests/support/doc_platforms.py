"""Checks commands for Databricks, YARN and Kubernetes, which no test can run, as far as their arguments can be known.

A script of `jobs/` behind `spark-submit` goes through the real argument parser.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Final

import yaml
from doc_cio_spark import check_cio_spark, exists, is_open
from doc_pages import ROOT

DATABRICKS: Final[dict[str, frozenset[str]]] = {
    "auth": frozenset({"login", "profiles", "token", "env", "describe"}),
    "bundle": frozenset(
        {"validate", "deploy", "deployment", "run", "summary", "destroy", "init", "open", "plan", "sync"}
    ),
    "configure": frozenset(),
    "current-user": frozenset({"me"}),
    "fs": frozenset({"cp", "ls", "mkdir", "cat", "rm"}),
    "grants": frozenset({"get", "update"}),
    "jobs": frozenset({"list", "get", "run-now", "cancel-run", "list-runs", "get-run"}),
    "schemas": frozenset({"create", "get", "list"}),
    "secrets": frozenset(
        {"create-scope", "put-secret", "put-acl", "list-scopes", "list-secrets", "list-acls", "delete-secret"}
    ),
    "volumes": frozenset({"create", "list", "read"}),
    "workspace": frozenset({"import", "import-dir", "list", "mkdirs", "get-status", "export"}),
}
"""Groups of the Databricks command line, which needs a workspace, and the commands of each that pages may name."""

SUBMIT_FLAGS: Final = frozenset({"--supervise", "--verbose", "-v"})
SUBMIT_OPTIONS: Final = frozenset(
    {
        *("--master", "--deploy-mode", "--class", "--name", "--jars", "--packages", "--exclude-packages"),
        *("--repositories", "--py-files", "--files", "--archives", "--conf", "-c", "--properties-file"),
        *("--driver-memory", "--driver-java-options", "--driver-library-path", "--driver-class-path", "--driver-cores"),
        *("--executor-memory", "--executor-cores", "--num-executors", "--total-executor-cores", "--proxy-user"),
        *("--queue", "--principal", "--keytab", "--remote"),
    }
)
"""Options of spark-submit without and with a value (org.apache.spark.launcher.SparkSubmitOptionParser)."""
_MASTER = re.compile(r"local(\[[\d*]+(,\d+)?\])?|yarn|spark://\S+|k8s://\S+|\$\w+|\$\{\w+\}")


def check_databricks(arguments: list[str]) -> list[str]:
    words = [word for word in arguments if not word.startswith("-")]
    if not words or words[0] not in DATABRICKS:
        return [f"databricks {' '.join(words[:1])} is not listed"]
    commands = DATABRICKS[words[0]]
    if commands and (len(words) < 2 or words[1] not in commands):
        return [f"databricks {' '.join(words[:2])} is not listed"]
    return _bundle(arguments, words) if words[0] == "bundle" else []


def _bundle(arguments: list[str], words: list[str]) -> list[str]:
    """Check the targets and the resource that a command of `databricks bundle` names."""
    problems = []
    targets = yaml.safe_load((ROOT / "databricks.yml").read_text(encoding="utf-8"))["targets"]
    chosen = {following for word, following in pairwise(arguments) if word in ("-t", "--target")}
    chosen |= {word.split("=", 1)[1] for word in arguments if word.startswith(("--target=", "-t="))}
    problems += [f"the bundle has no target {name}" for name in chosen if not is_open(name) and name not in targets]
    if words[1] in ("run", "open"):
        keys = {file.name.split(".")[0] for file in (ROOT / "resources").rglob("*.yml")}
        named = [word for word in words[2:] if word in keys or is_open(word)]
        if not named:
            problems.append(f"databricks bundle {words[1]} names no resource of {', '.join(sorted(keys))}")
    return problems


def check_spark_submit(arguments: list[str]) -> list[str]:
    problems, rest = _submit_options(arguments)
    if not rest:
        return [*problems, "spark-submit has no script"]
    script = Path(rest[0])
    if script.parent.name != "jobs" or not exists(Path("jobs") / script.name):
        return problems if is_open(rest[0]) else [*problems, f"{script} is not in jobs/"]
    named = re.search(r'run_job\("(\w+)"\)', (ROOT / "jobs" / script.name).read_text(encoding="utf-8"))
    return [*problems, *(check_cio_spark([named[1], *rest[1:]]) if named else [])]


def _submit_options(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Check the options of spark-submit, and return the problems, and the script with its own arguments."""
    problems = []
    words = list(arguments)
    while words and words[0].startswith("-"):
        option, said, value = words.pop(0).partition("=")
        if option in SUBMIT_FLAGS:
            continue
        if option not in SUBMIT_OPTIONS:
            problems.append(f"spark-submit has no option {option}")
        if not said:
            value = words.pop(0) if words else ""
        if option in ("--conf", "-c") and not re.match(r"spark\.[\w.\-]+=", value):
            problems.append(f"{option} {value} sets no property of Spark")
        if option == "--master" and not _MASTER.fullmatch(value):
            problems.append(f"{value} is no master")
    return problems, words


def check_pyspark(arguments: list[str]) -> list[str]:
    problems, rest = _submit_options(arguments)
    return problems + [f"pyspark takes no argument {word}" for word in rest]
