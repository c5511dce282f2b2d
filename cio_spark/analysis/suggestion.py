"""Suggests a batch configuration from measured figures: workers by Little's law, batch sizes by the byte limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cio_spark.analysis.measured import Measured
from cio_spark.config import BatchConfiguration, BatchStrategy
from cio_spark.config.api_limits import MAX_BODY_BYTES
from cio_spark.planning import body_limit
from cio_spark.planning.request_limits import ENVELOPE_BYTES

MOST_WORKERS: Final = 20
MOST_BATCH_SIZE: Final = 10_000
MOST_RATE: Final = 1_000
"""Largest `parallel_workers`, `max_batch_size` and `rate_limit_rps` that are suggested."""
MANY_ERRORS_PERCENT: Final = 5.0
"""Error rate above which fewer requests in flight are suggested instead of more (the notebook's value)."""
FULL: Final = 0.9
"""Share of a limit from which on the limit counts as reached."""
LEAST_FILL: Final = 0.5
"""Least share of `max_batch_size` for larger requests: emptier requests show that there were too few records."""
IDLE: Final = 0.5
"""Share of the rate that workers and rate limit allow; a run that reached less was limited by something else."""


@dataclass(frozen=True)
class Change:
    """Describes a suggested change of one field and its reason."""

    field: str
    before: int
    after: int
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.before:,} → {self.after:,}: {self.reason}"


@dataclass(frozen=True)
class Suggestion:
    """Describes a suggested batch configuration.

    Attributes:
        configuration: the whole configuration; fields that are not in `changes` are unchanged.
        changes: the changed fields with their reasons; empty if nothing should change.
        records_per_second: expected accepted records per second while there is work.
        limited_by: the limit of that speed, for people.
        strategy: effect of the batch strategy, which is never changed, on the size of requests.
    """

    configuration: BatchConfiguration
    changes: tuple[Change, ...]
    records_per_second: float
    limited_by: str
    strategy: str = ""

    def overlay(self) -> str:
        """Return the changes as YAML, for an environment file or to paste into a sync file."""
        if not self.changes:
            return f"# Nothing should be changed: {self.limited_by}.\n# {self.strategy}.\n"
        expected = f"{self.records_per_second:,.0f} records/s while there is work, limited by {self.limited_by}"
        lines = [f"# Expected: {expected}.", f"# {self.strategy}.", "batch:"]
        for change in self.changes:
            lines += [f"  # {change.before:,} before: {change.reason}", f"  {change.field}: {change.after}"]
        return "\n".join(lines) + "\n"

    def write_overlay(self, path: Path) -> None:
        """Write `overlay` to a file, best to `conf/environments/NAME.yml` for `cio-spark sync … --environment NAME`.

        Args:
            path: the file; its folder is created if it does not exist.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.overlay(), encoding="utf-8")


def suggest(config: BatchConfiguration, measured: Measured, target_rps: float | None = None) -> Suggestion:
    """Suggest a better batch configuration.

    Args:
        config: configuration of the measured run.
        measured: figures of the run.
        target_rps: wanted records per second; None for as many as `rate_limit_rps` allows.
    """
    if not measured.requests or not measured.request_time_mean_seconds:
        return Suggestion(config.model_copy(), (), 0.0, "no request was measured", explain_strategy(config, measured))
    draft = _Draft(config, measured, target_rps)
    if measured.error_rate_percent <= MANY_ERRORS_PERCENT:
        draft.size_batches()
    draft.set_rate()
    draft.set_workers()
    return draft.finish()


def explain_strategy(config: BatchConfiguration, measured: Measured) -> str:
    """Describe the effect of the batch strategy on the size of requests; a suggestion never changes the strategy.

    Args:
        config: configuration of the measured run.
        measured: figures of the run.
    """
    allowed = measured.limit_records_mean
    seen = f" ({allowed:,.0f} records a request were allowed on average)" if allowed else ""
    return {
        BatchStrategy.SIZE_BASED: "strategy size_based stays: every request is filled",
        BatchStrategy.TIME_BASED: "strategy time_based stays: requests follow target_request_seconds = "
        f"{config.target_request_seconds:g}{seen}, and larger ones need a longer target",
        BatchStrategy.MEMORY_BASED: "strategy memory_based stays: requests follow memory_budget_mb = "
        f"{config.memory_budget_mb}{seen}, and larger ones need a larger budget",
        BatchStrategy.ADAPTIVE: f"strategy adaptive stays: requests shrink only while the API complains{seen}",
    }[config.strategy]


def latency_by_records(measured: Measured) -> Callable[[float], float]:
    """Return a function that estimates the seconds of a request from its number of records.

    If batches of different sizes were measured, the function is a line fitted to them. Else it lets the time grow in
    proportion to the records, which is the worst case, but never shrink.

    Args:
        measured: figures of the run.
    """
    mean, usual, slope = measured.request_time_mean_seconds, measured.records_per_batch, measured.seconds_per_record
    if slope is not None:
        return lambda records: max(mean / 10, mean + slope * (records - usual))
    return lambda records: mean * max(1.0, records / usual) if usual else mean


@dataclass
class _Draft:
    """Collects the changes of a configuration, field by field."""

    config: BatchConfiguration
    measured: Measured
    target_rps: float | None
    values: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._latency = latency_by_records(self.measured)
        self._records = self.measured.records_per_batch
        capacity = self._capacity(self.config.rate_limit_rps, self.config.parallel_workers)
        self._used = min(1.0, self.measured.requests_per_second / capacity) if capacity else 1.0

    def _set(self, name: str, value: int, reason: str) -> None:
        if value != getattr(self.config, name):
            self.values[name], self.reasons[name] = value, reason

    def _value(self, name: str) -> int:
        return self.values.get(name) or int(getattr(self.config, name))

    def _capacity(self, rate: float, workers: int) -> float:
        """Return the requests per second that a rate limit and a number of workers allow."""
        return min(rate, workers / self._latency(self._records))

    def size_batches(self) -> None:
        """Suggest larger requests if the rate limit is, or would be for the target, the limit of the speed."""
        rate, usual, per_record = self.config.rate_limit_rps, self._records, self.measured.bytes_per_record
        if self.target_rps is None:
            needed = 2 * usual if self.measured.requests_per_second >= FULL * rate else 0.0
            why = f"{self.measured.requests_per_second:.0f} requests/s are all the rate limit allows"
        else:
            needed = self.target_rps / rate
            why = f"{self.target_rps:,.0f} records/s at {rate} requests/s are {needed:,.0f} records a request"
        limit = body_limit(self.config)
        bounded_by_bytes = self.measured.bytes_per_batch >= FULL * limit
        fill = 1.0 if bounded_by_bytes else usual / self.config.max_batch_size
        held_down = 0 < self.measured.limit_records_mean < FULL * self.config.max_batch_size
        if needed <= usual or fill < LEAST_FILL or (held_down and not bounded_by_bytes):
            return  # requests are large enough, or too few records or the strategy kept them small
        fits = (MAX_BODY_BYTES - ENVELOPE_BYTES) / per_record if per_record else float(MOST_BATCH_SIZE)
        size = max(1, min(math.ceil(needed / fill - 1e-9), math.floor(fits), MOST_BATCH_SIZE))
        if size > self.config.max_batch_size:
            self._set("max_batch_size", size, why)
        if size * per_record + ENVELOPE_BYTES > limit:
            self._set("max_batch_bytes", MAX_BODY_BYTES, f"{size:,} records of {per_record:,.0f} bytes need it")
        self._records = max(usual, size * fill)

    def set_rate(self) -> None:
        """Suggest a lower rate if the API refused the present one, or a higher rate if the target needs it."""
        rate, seen = self.config.rate_limit_rps, self.measured.requests_per_second
        if self.measured.rate_limited_batches:
            if math.floor(seen) < rate:
                self._set("rate_limit_rps", max(1, math.floor(seen)), f"the API answered 429 and took {seen:.1f}/s")
        elif self.target_rps is not None and self.measured.error_rate_percent <= MANY_ERRORS_PERCENT:
            needed = math.ceil(self.target_rps / self._records - 1e-9)
            if needed > rate:
                why = f"{self.target_rps:,.0f} records/s are {needed:,} requests/s of {self._records:,.0f} records"
                self._set("rate_limit_rps", min(needed, MOST_RATE), f"{why}; make sure the workspace allows it")

    def set_workers(self) -> None:
        """Suggest the requests in flight that Little's law gives, or one less if too many records failed."""
        workers, error_rate = self.config.parallel_workers, self.measured.error_rate_percent
        if error_rate > MANY_ERRORS_PERCENT:
            why = f"{error_rate:.1f} % of the records failed: fewer requests in flight until the cause is mended"
            self._set("parallel_workers", max(1, workers - 1), why)
            return
        latency = self._latency(self._records)
        wanted = float(self._value("rate_limit_rps"))
        if self.target_rps is not None:
            wanted = min(wanted, self.target_rps / self._records)
        needed = min(MOST_WORKERS, max(1, math.ceil(wanted * latency - 1e-9)))
        idle = self._used < IDLE
        if (needed > workers and not idle) or (needed < workers and self.target_rps is not None):
            why = f"{wanted:.1f} requests/s × {latency:.3f} s a request = {wanted * latency:.1f} in flight"
            self._set("parallel_workers", needed, f"{why} (Little's law)")

    def finish(self) -> Suggestion:
        """Return the suggestion: the validated configuration, its changes and the expected speed."""
        rate, workers = self._value("rate_limit_rps"), self._value("parallel_workers")
        latency = self._latency(self._records)
        if self._used < IDLE:
            limited_by = "neither rate nor workers but something else: task slots, or too few records"
        elif rate <= workers / latency:
            limited_by = f"rate_limit_rps = {rate}"
        else:
            limited_by = f"parallel_workers = {workers} at {latency:.3f} s a request"
        accepted = 1 - self.measured.error_rate_percent / 100
        expected = self._capacity(rate, workers) * self._used * self._records * accepted
        configuration = BatchConfiguration.model_validate({**self.config.model_dump(), **self.values})
        changes = tuple(
            Change(name, int(getattr(self.config, name)), value, self.reasons[name])
            for name, value in self.values.items()
        )
        return Suggestion(configuration, changes, expected, limited_by, explain_strategy(self.config, self.measured))
