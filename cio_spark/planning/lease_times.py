"""Decides how long a run keeps its sync without a sign of life, and how long a wave may send.

Tasks cannot hear the driver, and a renewal of the claim is a Spark job that waits for a task slot. So every wave gets
an end before it starts: `send_until`, which every task carries and the claim contains. Nothing is renewed during a wave
(docs/decisions/0018-lease.md).
"""

from __future__ import annotations

SEND_WINDOW_FACTOR = 3.0
"""Factor by which a wave may send longer than planned."""
MOST_LEASES_PER_WAVE = 5.0
"""Largest number of leases that a wave may send for: 15 minutes with the default lease of 3 minutes."""


def send_window_seconds(planned_seconds: float, lease_seconds: float) -> float:
    """Return the seconds in which a wave may start requests: three times the plan, between one lease and five leases.

    Args:
        planned_seconds: seconds that the plan expects the wave to take.
        lease_seconds: `delivery.lease_seconds`.
    """
    return min(max(SEND_WINDOW_FACTOR * planned_seconds, lease_seconds), MOST_LEASES_PER_WAVE * lease_seconds)


def longest_wave_seconds(wave_minutes: float, lease_seconds: float) -> float:
    """Return the longest plan of a wave, in seconds, of which three times as much fits into the longest send window.

    Args:
        wave_minutes: `delivery.wave_minutes`.
        lease_seconds: `delivery.lease_seconds`.
    """
    return min(60.0 * wave_minutes, MOST_LEASES_PER_WAVE * lease_seconds / SEND_WINDOW_FACTOR)


def survey_seconds(rows: int, slots: int) -> float:
    """Estimate generously the seconds of a survey with its staging, from measurements on two cores.

    Args:
        rows: rows of the source.
        slots: number of task slots.
    """
    return rows / (SURVEYED_ROWS_PER_SECOND_PER_SLOT * max(1, slots))


SURVEYED_ROWS_PER_SECOND_PER_SLOT = 20_000
"""Rows that one slot surveys in a second, a low estimate.

Measured: 2 slots survey 1.47 million unchanged events in 18 s; a first run stages as many rows per second.
"""
