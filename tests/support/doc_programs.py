"""Checks a command of the pages against what it names: options, files, targets, extras.

Those of Databricks and of clusters are in `doc_platforms`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from doc_cio_spark import check_cio_spark, exists
from doc_commands import ASSIGNMENT, Command
from doc_pages import ROOT
from doc_platforms import check_databricks, check_pyspark, check_spark_submit
from packaging.requirements import InvalidRequirement, Requirement

_OTHERS = """
$EDITOR apt apt-get aws az cat cd conda conda-pack cp docker echo export gcloud git gsutil hdfs helm jar keytool kinit
kubectl ls mkdir openssl source tar twine unzip venv-pack virtualenv yarn zip
"""
WITHOUT_A_CHECK: Final = frozenset(_OTHERS.split())
"""Programs that no test runs, and whose arguments nothing here can check."""


def problems_of(command: Command) -> list[str]:
    """Return what is wrong with a command; a program that is not known here is wrong too."""
    if not command.words:
        return []
    check = _CHECKS.get(command.program)
    if check is not None:
        return check(command.words[1:])
    return [] if command.program in WITHOUT_A_CHECK else [f"{command.program}: no check for this program"]


def _make(arguments: list[str]) -> list[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {word for word in arguments if not ASSIGNMENT.fullmatch(word) and not word.startswith("-")}
    return [f"make has no target {name}" for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)]


def _pip(arguments: list[str]) -> list[str]:
    if arguments[:1] != ["install"]:
        return []
    problems = []
    extras = set(re.findall(r'^ {8}"(\w+)": ', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE))
    for word in (word for word in arguments[1:] if not word.startswith(("-", ".", "/", "dist/", "http"))):
        try:
            requirement = Requirement(word)
        except InvalidRequirement as error:
            problems.append(f"{word}: {error}")
            continue
        if requirement.name.replace("_", "-") == "cio-spark":
            problems += [f"cio-spark has no extra {extra}" for extra in requirement.extras - extras]
    return problems


def _python(arguments: list[str]) -> list[str]:
    if arguments[:2] == ["-m", "pip"]:
        return _pip(arguments[2:])
    if arguments[:1] == ["-m"]:
        return []
    scripts = [word for word in arguments if word.endswith(".py")]
    return [f"{script} does not exist" for script in scripts[:1] if not exists(Path(script))]


def _curl(arguments: list[str]) -> list[str]:
    return [] if any(word.startswith(("http://", "https://", "$")) for word in arguments) else ["curl has no address"]


_CHECKS: Final[dict[str, Callable[[list[str]], list[str]]]] = {
    "cio-spark": check_cio_spark,
    "make": _make,
    "pip": _pip,
    "pip3": _pip,
    "python": _python,
    "python3": _python,
    "pytest": lambda arguments: [
        f"{word} does not exist" for word in arguments if "/" in word and not exists(Path(word))
    ],
    "curl": _curl,
    "databricks": check_databricks,
    "spark-submit": check_spark_submit,
    "pyspark": check_pyspark,
}
