"""Divides the job-wide rate and the workers among tasks that cannot talk to each other.

The API counts requests over 3 seconds. A task that leaves `interval` seconds between its requests makes at most ceil(3
/ interval) of them in any half-open window of 3 seconds; with interval = 3 / n that is n. So `tasks` tasks with n =
floor(3 × rate / tasks) each never exceed 3 × rate together, whatever their phases. The number of tasks is chosen so
that rounding down wastes less than 5 % of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_SECONDS = 3.0
# Timers wake a little late or early; a window one per cent longer than the API's keeps the count on the safe side.
WINDOW_MARGIN = 1.01
LEAST_RATE_USED = 0.95
# A share of a rate is not exact in binary: 0.29 × 100 × 3 must give 87, not 86.99…
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Pacing:
    """Says what each of `tasks` concurrent tasks may do.

    Attributes:
        tasks: largest number of tasks that may run at the same time.
        lanes: requests in flight per task.
        seconds_between_requests: least seconds between two requests of one task.
    """

    tasks: int
    lanes: int
    seconds_between_requests: float

    @property
    def requests_per_second(self) -> float:
        """Requests per second that all tasks together can reach."""
        return self.tasks / self.seconds_between_requests


def divide_rate(rate_limit_rps: float, parallel_workers: int, most_tasks: int) -> Pacing:
    """Divide the rate and the workers among tasks.

    Args:
        rate_limit_rps: requests per second for the whole job. With less than one request per window of 3 seconds, a
            single task waits longer between requests.
        parallel_workers: requests in flight for the whole job.
        most_tasks: largest number of tasks that could run at the same time (slots, partitions).

    Returns:
        The pacing with as many tasks as possible whose shares use at least 95 % of the rate.
    """
    budget = int(WINDOW_SECONDS * rate_limit_rps + _ROUNDING)
    if budget < 1:
        return Pacing(tasks=1, lanes=parallel_workers, seconds_between_requests=WINDOW_MARGIN / rate_limit_rps)
    tasks = min(most_tasks, parallel_workers, budget)
    while tasks > 1 and tasks * (budget // tasks) < LEAST_RATE_USED * budget:
        tasks -= 1
    return Pacing(
        tasks=tasks,
        lanes=max(1, parallel_workers // tasks),
        seconds_between_requests=WINDOW_SECONDS * WINDOW_MARGIN / (budget // tasks),
    )
