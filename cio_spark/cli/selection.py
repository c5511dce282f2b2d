"""Says which configuration and which tables a command works with."""

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
    """Names the configurations that a command is about.

    Attributes:
        paths: sync files.
        environment: name of an environment file.
        overrides: `key=value`, as of `--set`.
        warehouse: folder of local tables.
        debug: leave Spark's messages on the terminal.
        log: how events are written.
    """

    paths: Sequence[Path]
    environment: str | None = None
    overrides: Sequence[str] = ()
    warehouse: Path | None = None
    debug: bool = False
    log: LogStyle = LogStyle.OFF

    def load(self) -> list[SyncConfig]:
        """Load the configurations, critical first; what is said to the command wins over a notebook's widgets."""
        widgets = runtime.read_widgets()
        overrides = [*widgets.overrides, *runtime.environment_overrides(), *self.overrides]
        return load_configs(self.paths, environment=self.environment or widgets.environment, overrides=overrides)

    def open_session(self) -> CommandSession:
        """Open the session that the command works with."""
        return open_session(self.warehouse, debug=self.debug)

    def open_tables(self, config: SyncConfig) -> Tables:
        """Give the tables of a sync, in the session that the command works with."""
        opened = self.open_session()
        from cio_spark.results import Tables  # needs pyspark, which open_session has made sure of

        return Tables(opened.spark, config.tables, opened.warehouse)
