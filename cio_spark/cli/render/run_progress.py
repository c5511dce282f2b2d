"""Shows the progress of a run: with a live bar on a terminal, with plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TimeElapsedColumn
from rich.text import Text

from cio_spark.cli.render.run_tables import duration, show_result
from cio_spark.clock import Clock, SystemClock
from cio_spark.logs.style import LogStyle
from cio_spark.model import GZIP, DeliveryPlan, SyncResult
from cio_spark.pipeline.progress import DeliveryProgress

_PHASES = {
    "check": "checking source, tables and API",
    "claim": "claiming the sync",
    "survey": "looking for what still needs sending",
    "deliver": "sending",
    "books": "balancing the books",
    "end": "closing the run",
}
_PLAIN_EVERY_SECONDS = 5.0


class ConsoleProgress:
    """Shows the progress of a run: with a live bar on a terminal, with plain lines elsewhere.

    Args:
        console: the console to print on.
        clock: source of time; None for the system's clock.
    """

    def __init__(self, console: Console, clock: Clock | None = None) -> None:
        self._console = console
        self._clock = clock or SystemClock()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began = self._told = 0.0

    def phase(self, name: str) -> None:
        """Remove the bar and print the name of the phase that begins; do nothing if that is the delivery."""
        if name != "deliver":
            self._stop()
            self._console.print(f"[dim]… {_PHASES.get(name, name)}[/dim]")

    def planned(self, sync: str, plan: DeliveryPlan) -> None:
        """Print the plan and the limits of its requests in one line."""
        self._began = self._told = self._clock.monotonic()
        self._console.print(
            f"{sync}: {plan.records:,} records in about {plan.batches:,} requests of at most "
            f"{plan.max_records:,} records and {plan.max_bytes:,} bytes, {plan.partitions} partitions, "
            f"{plan.in_flight} in flight; about {duration(plan.eta_seconds)}, limited by {plan.limited_by}"
        )
        if plan.compression != GZIP:
            self._console.print(f"{sync}: compression {plan.compression}")

    def delivered(self, progress: DeliveryProgress) -> None:
        """Move the bar, which the first call starts; elsewhere than on a terminal, print a line every few seconds."""
        if self._console.is_terminal:
            self._move_bar(progress)
            return
        now = self._clock.monotonic()
        if now - self._told >= _PLAIN_EVERY_SECONDS:
            self._told = now
            text = (
                f"{describe_progress(progress)} after {duration(now - self._began)}; limited by {progress.limited_by}"
            )
            self._console.print(f"  sending: {text}")

    def finished(self, result: SyncResult) -> None:
        """Remove the bar and show the result."""
        self._stop()
        show_result(self._console, result)

    def _move_bar(self, progress: DeliveryProgress) -> None:
        if self._bar is None:
            columns = ("[bold]sending", BarColumn(), TimeElapsedColumn())
            self._bar = _BarWithText(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("sending", total=None, text="")
            self._bar.start()
        if self._task is not None:
            text = f"  {describe_progress(progress)}\n  limited by {progress.limited_by}"
            self._bar.update(self._task, completed=progress.records_done, total=progress.records, text=text)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _BarWithText(Progress):
    """Shows the text of a task below its bar, where a narrow terminal has room for it too."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for task in self.tasks:
            yield Text(task.fields["text"])


def describe_progress(progress: DeliveryProgress) -> str:
    """Return the records that are done, their rate and the expected time for the rest, as far as they are known."""
    share = progress.records_done / progress.records if progress.records else 0.0
    text = f"{progress.records_done:,} of {progress.records:,} records done ({share:.0%})"
    if progress.records_per_second is not None:
        text += f", {progress.records_per_second:,.0f} records/s"
    if progress.seconds_left is not None:
        text += f", {duration(progress.seconds_left)} left"
    return text


class ResultDisplay:
    """Shows only the result of a run, for jobs whose log shows the progress.

    Args:
        console: the console to print on.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def phase(self, name: str) -> None:
        """Show nothing."""

    def planned(self, sync: str, plan: DeliveryPlan) -> None:
        """Show nothing."""

    def delivered(self, progress: DeliveryProgress) -> None:
        """Show nothing."""

    def finished(self, result: SyncResult) -> None:
        """Show the result."""
        show_result(self._console, result)


def choose_progress(log: LogStyle, console: Console) -> ConsoleProgress | ResultDisplay:
    """Return the listener that shows a run on the console.

    If events are logged, they tell the progress, and the listener shows only the result.
    """
    return ConsoleProgress(console) if log is LogStyle.OFF else ResultDisplay(console)
