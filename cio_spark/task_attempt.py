"""Defines which try of a Databricks task a process is, as the bundle tells it with `--job-attempt`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskAttempt:
    """Describes one try of a task of a Databricks job.

    Attributes:
        task: id of the job's run and name of the task.
        count: which try of the task this is, from 1; repairs of the job's run count, too.
        repair: number of repairs of the job's run before this try.
    """

    task: str
    count: int
    repair: int = 0

    @classmethod
    def parse(cls, text: str | None) -> TaskAttempt | None:
        """Parse `RUN/TASK/COUNT` or `RUN/TASK/COUNT/REPAIR`; return None for anything else."""
        run, _, rest = (text or "").partition("/")
        name, *numbers = rest.split("/")
        if not (run and name and 1 <= len(numbers) <= 2 and all(number.isdecimal() for number in numbers)):
            return None
        return cls(f"{run}/{name}", *map(int, numbers))

    def follows(self, other: TaskAttempt | None) -> bool:
        """Tell whether this is a later try of the same task."""
        return other is not None and self.task == other.task and self.count > other.count

    def is_retry_of(self, other: TaskAttempt | None) -> bool:
        """Tell whether Databricks started this try by itself after the other one, and nobody has repaired the run."""
        return other is not None and self.follows(other) and self.repair == other.repair
