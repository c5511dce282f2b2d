"""Runs commands one after the other in one process.

Each argument is one command, written as a JSON list. The exit status of a command is printed after its output.
"""

from __future__ import annotations

import json
import sys

from typer.testing import CliRunner

from cio_spark.cli import app

if __name__ == "__main__":
    for command in sys.argv[1:]:
        result = CliRunner().invoke(app, json.loads(command))
        sys.stdout.write(f"{result.output}\nexit status: {result.exit_code}\n")
        sys.stdout.flush()
