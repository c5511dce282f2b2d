"""Folds the events of `sync_runs` to one state for each run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cio_spark.clock import LARGEST_CLOCK_DIFFERENCE, as_utc
from cio_spark.coverage import Coverage
from cio_spark.schemas import RUN_COUNTS
from cio_spark.statuses import ROW_STATES

EVENT_COLUMNS = (
    *("run_id", "sync", "run_number", "event", "at", "status", "owner", "claim_expires_at", "send_until", "source"),
    *("job_attempt", "taken_over_run", "taken_over_wave", "delivery_seconds", "ledger_version", "configuration"),
    *("source_version", "session_settings", "exit_status", "error", "kind", "scope", "fell_back"),
    *("coverage", "fingerprint"),
    *RUN_COUNTS,
)
"""Columns of `sync_runs` that a state is made of."""


@dataclass(frozen=True)
class RunState:
    """Holds what is known about one run.

    Times are commit times of the storage unless the text says otherwise: the clocks of drivers differ, so only time
    spans are taken from them.

    Attributes:
        run_id: id of the run; ids sort by the sequence of runs.
        sync: its sync.
        run_number: number of the run among the runs of its sync, from 1.
        owner: host and process.
        job_attempt: `job run/task/execution count/repair count` of a task of a Databricks job; None elsewhere.
        started_at: when it claimed the sync, by its driver's clock.
        last_event_at: when it last committed an event.
        expires_at: when another run may take the sync over, unless the claim is renewed.
        send_until: when its last wave stops sending.
        ended: whether the run has an end.
        settled: whether nothing of it is left to recover: it sent nothing, made its books, or was recovered.
        settled_others: whether it made its books as a sync does, and so has recovered all runs before it.
        configuration: JSON of its configuration.
        source_version: version of the source that it had pinned.
        taken_over_run: id of the run that this one only stands for, see `claims.register_taken_over`; None if it stands
            for itself.
        taken_over_wave: number of the wave that the taken-over run has sent.
        session_settings: JSON of the settings that it had fixed; None if it recorded none.
        kind: kind of the run, a value of `RunKind`.
        scope: what it looked at, a value of `Scope`; None if it did not record that.
        fell_back: whether it looked at everything only because the change feed could not be used.
        status: how it ended; `running` if it has no end.
        ended_at: when it ended, by its driver's clock; None if it has no end.
        claimed_until: end of its claim by its driver's clock; None if it claimed nothing.
        exit_status: exit status of its command; None if it has none.
        error: the sentence about its end; None if there is none.
        counts: numbers of its books, named as in `schemas.RUN_COUNTS`; None if it has no books.
        coverage: which source rows the sync has covered by it; None if the run changed nothing about that.
        fingerprint: what it recorded as the fingerprint of its settings and its source; None if it recorded none.
    """

    run_id: str
    sync: str
    run_number: int
    owner: str
    job_attempt: str | None
    started_at: datetime
    last_event_at: datetime
    expires_at: datetime
    send_until: datetime
    ended: bool
    settled: bool
    settled_others: bool
    configuration: str | None
    source_version: int | None
    taken_over_run: str | None
    taken_over_wave: int | None
    session_settings: str | None = None
    kind: str = "sync"
    scope: str | None = None
    fell_back: bool = False
    status: str = "running"
    ended_at: datetime | None = None
    claimed_until: datetime | None = None
    exit_status: int | None = None
    error: str | None = None
    counts: Mapping[str, int | None] | None = field(default=None)
    coverage: Coverage | None = None
    fingerprint: str | None = None

    @property
    def accounted_rows(self) -> int | None:
        """Number of source rows that are in a state; None without books."""
        return None if self.counts is None else sum(self.counts[name] or 0 for name in ROW_STATES)

    def may_have_left(self, statuses: Collection[str]) -> bool:
        """Tell whether the run may have written records that must be tried again; if it has no books, it may have.

        Args:
            statuses: statuses of records that are tried again.
        """
        counts = self.counts
        return counts is None or not self.settled or any(counts[name] for name in (*statuses, "in_doubt"))

    @property
    def may_have_written(self) -> bool:
        """Tell whether rows of the sync may be in `record_status`, written by this run or known to it."""
        counts = self.counts
        if counts is None:
            return True
        return any(counts[name] for name in ROW_STATES if name not in ("superseded", "not_started", "in_doubt"))


def fold_events(rows: Sequence[Mapping[str, Any]]) -> list[RunState]:
    """Fold the events of runs to one state for each run, the oldest run first.

    Args:
        rows: events with `EVENT_COLUMNS` and `committed_at`; an event may be without columns that are null.
    """
    by_run: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_run.setdefault(row["run_id"], []).append(row)
    states = [_state_of(run_id, events) for run_id, events in sorted(by_run.items())]
    return [state for state in states if state is not None]


def _state_of(run_id: str, events: Sequence[Mapping[str, Any]]) -> RunState | None:
    """Fold the events of one run; return None if it never started."""
    started = next((event for event in events if event["event"] == "started"), None)
    ended = [event for event in events if event["event"] == "ended"]
    # A run that had nothing to look at claims nothing, and writes only its end
    first = started or next((event for event in ended if event.get("kind") is not None), None)
    if first is None:
        return None
    end = ended[-1] if ended else {}
    has_books = end.get("source_rows") is not None
    return RunState(
        run_id=run_id,
        sync=first["sync"],
        run_number=first.get("run_number") or 0,
        owner=first.get("owner") or "",
        job_attempt=first.get("job_attempt"),
        started_at=as_utc(first["at"]),
        last_event_at=max(_committed_at(event) for event in events),
        expires_at=_latest(events, "claim_expires_at"),
        send_until=_latest(events, "send_until"),
        ended=bool(ended),
        # only an end with books, or of a run that sent nothing, has `delivery_seconds`
        settled=any(event["event"] == "settled" or event.get("delivery_seconds") is not None for event in events),
        settled_others=any(event.get("ledger_version") is not None for event in ended),
        configuration=first.get("configuration"),
        source_version=first.get("source_version"),
        taken_over_run=first.get("taken_over_run"),
        taken_over_wave=first.get("taken_over_wave"),
        session_settings=first.get("session_settings"),
        kind=_kind_of(first),
        scope=end.get("scope"),
        fell_back=bool(end.get("fell_back")),
        status=(end.get("status") or "") if ended else "running",
        ended_at=as_utc(end["at"]) if ended else None,
        claimed_until=max(
            (as_utc(event["claim_expires_at"]) for event in _naming(events, "claim_expires_at")), default=None
        ),
        exit_status=end.get("exit_status"),
        error=end.get("error"),
        counts={name: end.get(name) for name in RUN_COUNTS} if has_books else None,
        coverage=Coverage.from_json(end.get("coverage")),
        fingerprint=first.get("fingerprint"),
    )


def _kind_of(started: Mapping[str, Any]) -> str:
    """Return the kind of a run; older packages told it only in `source` (see `views.KIND_OF_OLD_RUNS`)."""
    kind = started.get("kind")
    source = started.get("source") or ""
    if kind is not None:
        return str(kind)
    if started.get("taken_over_run") is not None:
        return "taken_over"
    if source == "dead letters":
        return "replay"
    return "limited" if ", limited to " in source else "sync"


def _committed_at(event: Mapping[str, Any]) -> datetime:
    """Return when an event was committed: the time of its file, unless maintenance has rewritten it much later."""
    return min(as_utc(event["committed_at"]), as_utc(event["at"]) + LARGEST_CLOCK_DIFFERENCE)


def _naming(events: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [event for event in events if event.get(name) is not None]


def _latest(events: Sequence[Mapping[str, Any]], name: str) -> datetime:
    """Find the latest time that events name, each counted from its commit; if none names one, the first commit."""
    times = [_committed_at(event) + (as_utc(event[name]) - as_utc(event["at"])) for event in _naming(events, name)]
    return max(times, default=min(map(_committed_at, events)))
