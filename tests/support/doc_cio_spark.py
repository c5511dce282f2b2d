"""Checks arguments of `cio-spark`, by its real parser and by the files that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doc_pages import ROOT
from typer.main import get_command

from cio_spark.cli import app


def parse_cio_spark(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Let the real parser read the arguments of `cio-spark`.

    Returns:
        The command's name, and its parameters by the names that the code gives them.

    Raises:
        Exception: the parser refuses them; the error has the method `format_message`.
    """
    group: Any = get_command(app)
    context = group.make_context("cio-spark", list(arguments))
    name, command, rest = group.resolve_command(context, list(arguments))
    return str(name), command.make_context(name, rest, parent=context).params


def check_cio_spark(arguments: list[str]) -> list[str]:
    if arguments in (["--version"], ["--help"]) or arguments[-1:] == ["--help"]:
        return []
    try:
        _, parameters = parse_cio_spark(arguments)
    except Exception as error:
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        return [message()]
    files = [parameters["conf"]] if "conf" in parameters else parameters.get("confs", [])
    missing = [f"{file} does not exist" for file in files if file.parts[0] == "conf" and not exists(file)]
    environment = parameters.get("environment")
    if environment and not is_open(environment) and not exists(Path(f"conf/environments/{environment}.yml")):
        missing.append(f"there is no environment {environment}")
    return missing


def exists(file: Path) -> bool:
    return any(ROOT.glob(str(file))) if not file.is_absolute() else True


def is_open(word: str) -> bool:
    """Tell whether a word is filled in when the command is run: a variable, a reference of a bundle, three dots."""
    return any(sign in word for sign in ("$", "{{", "…", "<"))
