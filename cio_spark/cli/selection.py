"""Selects the configurations and the tables that a command works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cio_spark import runtime
from cio_spark.config import SyncConfig, find_sync_files, load_configs, split_names
from cio_spark.errors import ConfigurationError
from cio_spark.logs.style import LogStyle
from cio_spark.spark.session import CommandSession, open_session

if TYPE_CHECKING:
    from cio_spark.results import Tables


@dataclass(frozen=True)
class Selection:
    """Holds the options by which a command finds its configurations and tables.

    Attributes:
        paths: paths of the sync files, or of folders of them.
        environment: name of an environment file; None if no name is given to the command.
        overrides: settings in the form `key=value`, from `--set`.
        warehouse: folder of local tables; None if no folder is given to the command.
        debug: whether Spark's messages stay on the terminal.
        log: style in which events are written.
        parameters: settings in the form `widget=value`, from `--parameter`; a blank value is no setting.
        only: names of the syncs to work with, with commas; a blank text stands for all.
    """

    paths: Sequence[Path]
    environment: str | None = None
    overrides: Sequence[str] = ()
    warehouse: Path | None = None
    debug: bool = False
    log: LogStyle = LogStyle.OFF
    parameters: Sequence[str] = ()
    only: str = ""

    def load(self) -> list[SyncConfig]:
        """Load the configurations, those of critical priority first.

        Options of the command win over environment variables, these over parameters of the job, and these over a
        notebook's widgets.
        """
        return self._load(find_sync_files(self.paths))

    def load_one(self) -> SyncConfig:
        """Load the configuration for a command that is about one sync.

        Raises:
            ConfigurationError: the paths stand for several sync files.
        """
        files = find_sync_files(self.paths)
        if len(files) > 1:
            path = ", ".join(map(str, self.paths))
            raise ConfigurationError.of(path, f"has {len(files)} sync files, and this command is about one: name it")
        return self._load(files)[0]

    def _load(self, files: Sequence[Path]) -> list[SyncConfig]:
        widgets, parameters = runtime.read_widgets(), runtime.read_parameters(self.parameters)
        overrides = [*widgets.overrides, *parameters.overrides, *runtime.environment_overrides(), *self.overrides]
        environment = self.environment or parameters.environment or widgets.environment
        return load_configs(files, environment=environment, overrides=overrides, only=split_names(self.only))

    def open_session(self) -> CommandSession:
        """Open the Spark session that the command works with."""
        return open_session(self.warehouse, debug=self.debug)

    def open_tables(self, config: SyncConfig) -> Tables:
        """Open a Spark session, and return the tables of a sync in it."""
        opened = self.open_session()
        from cio_spark.results import Tables  # needs pyspark, which open_session has made sure of

        return Tables(opened.spark, config.tables, opened.warehouse)
