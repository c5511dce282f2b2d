"""A run's hold on its sync while it works: renewed between waves, and given to every wave as the end of its sending."""

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
"""Of a lease: with that much of the claim's own time left, a short wave needs no commit of its own."""


class RunLease:
    """Keeps a run's claim; a context manager for the time it is at work.

    Between waves a thread renews the claim. Within a wave nothing does: a renewal is a Spark job, which waits for a
    task slot, and a wave may hold them all. So the wave's end is committed before it starts, and the tasks carry it
    (docs/decisions/0018-lease.md).

    Args:
        tables: where the tables are.
        claim: what is kept.
        claimant: whose it is.
        clock: time.
    """

    def __init__(self, tables: Tables, claim: Claim, claimant: Claimant, clock: Clock) -> None:
        self._tables = tables
        self._claim = claim
        self._claimant = claimant
        self._clock = clock
        self._lease_seconds = claimant.lease_seconds
        self._send_until = claim.send_until
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
        """Announce work before the first wave that may hold all task slots for so long."""
        window = send_window_seconds(seconds, self._lease_seconds)
        if window > self._lease_seconds:
            self._append(self._clock.now() + timedelta(seconds=window))

    def check(self, wave: int | None = None) -> None:
        """Make sure that no other run has taken the sync over; see `check_claim`."""
        check_claim(self._tables, self._claim, wave)

    @contextmanager
    def sending(self, planned_seconds: float, wave: int | None = None) -> Iterator[datetime]:
        """Give a wave its end while the block sends it.

        Args:
            planned_seconds: how long the wave is planned to take.
            wave: the wave, where an earlier try may have sent something of it.

        Yields:
            The time after which no request is to be started, by this driver's clock; it is committed.

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
                # The commit may have waited for long. Whoever took the sync over before it is seen here; whoever does
                # so after it sees the renewal (`claim_sync`)
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
            # A storage hiccup must not cost the claim: the next look tries again
            with suppress(Exception):
                self._append(self._claimant.expiry(now, now))
