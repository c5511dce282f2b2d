"""Shows the progress of a run: with a live bar on a terminal, with plain lines elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cio_spark.cli.render.run_tables import duration, show_result
from cio_spark.clock import Clock, SystemClock
from cio_spark.model import GZIP, DeliveryPlan, SyncResult

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
        self._records = 0
        self._began: float | None = None
        self._told = 0.0

    def phase(self, name: str) -> None:
        """Remove the bar and print the name of the phase that begins; do nothing if that is the delivery."""
        if name != "deliver":
            self._stop()
            self._console.print(f"[dim]… {_PHASES.get(name, name)}[/dim]")

    def planned(self, sync: str, plan: DeliveryPlan) -> None:
        """Print the plan and the limits of its requests in one line."""
        self._records, self._began, self._told = plan.records, None, self._clock.monotonic()
        self._console.print(
            f"{sync}: {plan.records:,} records in about {plan.batches:,} requests of at most "
            f"{plan.max_records:,} records and {plan.max_bytes:,} bytes, {plan.partitions} partitions, "
            f"{plan.in_flight} in flight; about {duration(plan.eta_seconds)}, limited by {plan.limited_by}"
        )
        if plan.compression != GZIP:
            self._console.print(f"{sync}: compression {plan.compression}")

    def delivered(self, done: int, total: int) -> None:
        """Move the bar; the first call starts it.

        The share of completed tasks is taken for the share of records that are sent.

        Args:
            done: number of completed tasks of the delivery.
            total: number of all tasks of the delivery.
        """
        now = self._clock.monotonic()
        if self._began is None:
            self._began = now
            self._start()
        seconds = max(now - self._began, 1e-9)
        share = done / total if total else 0.0
        rate = ""
        if share > 0:
            left = seconds * (1 - share) / share
            rate = f"about {share * self._records / seconds:,.0f} records/s, {duration(left)} left"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, rate=rate)
        elif now - self._told >= _PLAIN_EVERY_SECONDS:
            self._told = now
            self._console.print(f"  sending: {share:.0%} after {duration(seconds)}" + (f", {rate}" if rate else ""))

    def finished(self, result: SyncResult) -> None:
        """Remove the bar and show the result."""
        self._stop()
        show_result(self._console, result)

    def _start(self) -> None:
        if self._console.is_terminal:
            columns = ("[bold]sending", BarColumn(), "{task.percentage:>3.0f} %", TextColumn("{task.fields[rate]}"))
            self._bar = Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True)
            self._task = self._bar.add_task("sending", total=None, rate="")
            self._bar.start()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


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

    def delivered(self, done: int, total: int) -> None:
        """Show nothing."""

    def finished(self, result: SyncResult) -> None:
        """Show the result."""
        show_result(self._console, result)
