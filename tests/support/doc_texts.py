"""Checks SQL, Python and JSON blocks of the pages without running them."""

from __future__ import annotations

import ast
import importlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from cio_spark.logs.events import BINDINGS, FIELDS, Event

_OF_EVERY_LINE = ("timestamp", "level", "event", *BINDINGS)


def statements_of(text: str) -> list[str]:
    """Split an SQL block into its statements, by semicolons at the ends of lines."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    parts = "\n".join(line.rstrip() for line in lines).split(";\n")
    return [part.strip().removesuffix(";") for part in parts if part.strip()]


def problems_of_sql(text: str) -> list[str]:
    """Return what the parser for the SQL of Databricks says about a block."""
    problems = []
    logging.getLogger("sqlglot").setLevel(
        logging.ERROR
    )  # it warns of statements that it only knows by their first word
    for statement in statements_of(text):
        try:
            sqlglot.parse_one(statement, read="databricks")
        except SqlglotError as error:
            problems.append(str(error))
    return problems


def problems_of_python(text: str) -> list[str]:
    """Return why a block does not compile, or which names it imports from this package that are not there."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [str(error)]
    return [problem for node in ast.walk(tree) for problem in _of_import(node)]


def _of_import(node: ast.AST) -> Iterator[str]:
    wanted: list[tuple[str, str | None]]
    if isinstance(node, ast.Import):
        wanted = [(name.name, None) for name in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        wanted = [(node.module, name.name) for name in node.names]
    else:
        return
    for module, name in wanted:
        if module.split(".")[0] == "cio_spark" and not _is_there(module, name):
            yield f"there is no {module}" if name is None else f"{module} has no {name}"


def _is_there(module: str, name: str | None) -> bool:
    try:
        found = importlib.import_module(module)
        return name is None or name == "*" or hasattr(found, name)
    except ModuleNotFoundError:
        return False


def problems_of_json(text: str) -> list[str]:
    """Return why a block is not JSON, one value or one a line; a line of the log must have the fields of its event."""
    try:
        values = [json.loads(text)]
    except ValueError:
        try:
            values = [json.loads(line) for line in text.splitlines()]
        except ValueError as error:
            return [str(error)]
    return [problem for value in values for problem in _of_log_line(value)]


def _of_log_line(value: Any) -> Iterator[str]:
    if not isinstance(value, dict) or not {"timestamp", "level", "event"} <= set(value):
        return
    if value["event"] not in set(Event):
        yield f"{value['event']} is no event"
        return
    expected = {*_OF_EVERY_LINE, *FIELDS[Event(value["event"])]}
    if set(value) != expected:
        yield f"{value['event']} has other fields: {', '.join(sorted(set(value) ^ expected))}"
