"""Selects the configurations and the tables that a command works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cio_spark import runtime
from cio_spark.config import SyncConfig, load_configs
from cio_spark.logs.style import LogStyle
from cio_spark.spark.session import CommandSession, open_session

if TYPE_CHECKING:
    from cio_spark.results import Tables


@dataclass(frozen=True)
class Selection:
    """Holds the options by which a command finds its configurations and tables.

    Attributes:
        paths: paths of the sync files.
        environment: name of an environment file; None if no name is given to the command.
        overrides: settings in the form `key=value`, from `--set`.
        warehouse: folder of local tables; None if no folder is given to the command.
        debug: whether Spark's messages stay on the terminal.
        log: style in which events are written.
    """

    paths: Sequence[Path]
    environment: str | None = None
    overrides: Sequence[str] = ()
    warehouse: Path | None = None
    debug: bool = False
    log: LogStyle = LogStyle.OFF

    def load(self) -> list[SyncConfig]:
        """Load the configurations, those of critical priority first.

        Options of the command win over environment variables, and these win over a notebook's widgets.
        """
        widgets = runtime.read_widgets()
        overrides = [*widgets.overrides, *runtime.environment_overrides(), *self.overrides]
        return load_configs(self.paths, environment=self.environment or widgets.environment, overrides=overrides)

    def open_session(self) -> CommandSession:
        """Open the Spark session that the command works with."""
        return open_session(self.warehouse, debug=self.debug)

    def open_tables(self, config: SyncConfig) -> Tables:
        """Open a Spark session, and return the tables of a sync in it."""
        opened = self.open_session()
        from cio_spark.results import Tables  # needs pyspark, which open_session has made sure of

        return Tables(opened.spark, config.tables, opened.warehouse)
