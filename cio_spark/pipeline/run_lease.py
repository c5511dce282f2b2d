"""Renews a run's claim on its sync between waves, and gives every wave the time after which it must not send."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from cio_spark.clock import Clock
from cio_spark.planning import send_window_seconds
from cio_spark.results import Claim, Claimant, Tables, append_events, check_claim

RENEWALS_PER_LEASE = 3
LOOKS_PER_LEASE = 18
LEAST_SHARE_LEFT = 2 / 3
"""A short wave commits no renewal of its own if at least this share of a lease is left until `send_until`."""


class RunLease:
    """Renews a run's claim while the run works; it is a context manager for that time.

    A thread renews the claim between waves. Nothing renews it during a wave: a renewal is a Spark job, which waits for
    a task slot, and a wave may occupy all slots. So the time when the wave must stop sending is committed before the
    wave starts, and its tasks receive it (docs/decisions/0018-lease.md).

    Args:
        tables: access to the Delta tables.
        claim: the claim to renew.
        claimant: the run that has the claim, with the length of its lease.
        clock: source of time.
    """

    def __init__(self, tables: Tables, claim: Claim, claimant: Claimant, clock: Clock) -> None:
        self._tables = tables
        self._claim = claim
        self._claimant = claimant
        self._clock = clock
        self._lease_seconds = claimant.lease_seconds
        self._send_until = claim.send_until
        self._checked_version = claim.history.version
        self._last_sign = clock.monotonic()
        self._sending = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="claim", daemon=True)

    def __enter__(self) -> RunLease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def expect(self, seconds: float) -> None:
        """Extend the claim for work before the first wave that may occupy all task slots.

        Args:
            seconds: how long that work is expected to take.
        """
        window = send_window_seconds(seconds, self._lease_seconds)
        if window > self._lease_seconds:
            self._append(self._clock.now() + timedelta(seconds=window))

    def check(self, wave: int | None = None) -> None:
        """Raise `SyncTakenOverError` if another run has taken the sync over; see `check_claim`."""
        self._checked_version = check_claim(self._tables, self._claim, wave, self._checked_version)

    @contextmanager
    def sending(self, planned_seconds: float, wave: int | None = None) -> Iterator[datetime]:
        """Yield the time when a wave must stop sending, and pause the renewals of the thread while the block sends.

        Args:
            planned_seconds: how long the wave is planned to take.
            wave: number of the wave if an earlier try may have sent some of its records; else None.

        Yields:
            The time, by this driver's clock, after which no request is started; it is already committed.

        Raises:
            SyncTakenOverError: another run has taken the sync over.
        """
        window = send_window_seconds(planned_seconds, self._lease_seconds)
        now = self._clock.now()
        left = (self._send_until - now).total_seconds()
        self._sending.set()
        try:
            if window > self._lease_seconds or left < LEAST_SHARE_LEFT * self._lease_seconds:
                send_until = now + timedelta(seconds=window)
                self._append(self._claimant.expiry(now, send_until), send_until)
                self._send_until = send_until
                # The commit may have waited for long. This check sees a run that took the sync over before the commit;
                # a run that tries to do so after the commit sees the renewal (`claim_sync`)
                self.check(wave)
            yield self._send_until
        finally:
            self._sending.clear()

    def _append(self, expires_at: datetime, send_until: datetime | None = None) -> None:
        event: dict[str, Any] = {
            "run_id": self._claim.run_id,
            "sync": self._claim.sync,
            "event": "renewed",
            "at": self._clock.now(),
            "claim_expires_at": expires_at,
            "send_until": send_until,
        }
        sign = self._clock.monotonic()
        append_events(self._tables, [event])
        self._last_sign = sign

    def _renew(self) -> None:
        while not self._ended.wait(self._lease_seconds / LOOKS_PER_LEASE):
            silence = self._clock.monotonic() - self._last_sign
            if self._sending.is_set() or silence < self._lease_seconds / RENEWALS_PER_LEASE:
                continue
            now = self._clock.now()
            # A short failure of the storage must not lose the claim: the next round of the loop tries again
            with suppress(Exception):
                self._append(self._claimant.expiry(now, now))
