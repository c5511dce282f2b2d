"""Gives each of several syncs its turn to send, for the commands `sync` and `replay` alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console

from cio_spark import runtime
from cio_spark.cli.run_command import run_each, skip_sync
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.errors import CioSparkError, ExitStatus, RunCancelledError
from cio_spark.model import SyncResult
from cio_spark.runtime.cancellation import Cancellation, signal_of


def find_keys(configs: Sequence[SyncConfig]) -> dict[str, ApiKey]:
    """Find the API key of each sync, by its name.

    Raises:
        ConfigurationError: a key is missing.
    """
    return {config.sync.name: runtime.find_api_key(config) for config in configs}


def send_each(
    configs: Sequence[SyncConfig],
    keys: dict[str, ApiKey],
    console: Console,
    send: Callable[[SyncConfig, Cancellation], SyncResult],
    *,
    debug: bool,
) -> ExitStatus:
    """Let syncs send one after another; if one fails, the others still run.

    A sync is not started if the job was cancelled, or if the API has just refused its key.

    Args:
        configs: configurations of the syncs.
        keys: API keys by sync.
        console: the console to print on.
        send: sends for one sync, unless the cancellation asks it to stop.
        debug: see `run_each`.

    Returns:
        The worst exit status.
    """
    refused: set[ApiKey] = set()
    cancellation = Cancellation()

    def send_one(config: SyncConfig) -> ExitStatus:
        name = config.sync.name
        if cancellation.requested:
            return skip_sync(console, name, "the job was cancelled", cancellation.exit_status)
        if keys[name] in refused:
            return skip_sync(console, name, "its API key was refused a moment ago", ExitStatus.KEY_REFUSED)
        try:
            status = send(config, cancellation).exit_status
        except CioSparkError as error:
            if error.exit_status is ExitStatus.KEY_REFUSED:
                refused.add(keys[name])
            if isinstance(error, RunCancelledError):  # who cancels a sync by its Spark jobs, cancels the command
                cancellation.request(signal_of(error.exit_status))
            raise
        if status is ExitStatus.KEY_REFUSED:
            refused.add(keys[name])
        return status

    with runtime.cancel_on_signals(cancellation):
        return run_each(configs, send_one, debug=debug)
