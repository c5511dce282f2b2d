"""Decides how long a run keeps its sync without a sign of life, and how long a wave may send.

Tasks cannot hear the driver, and a renewal of the claim is a Spark job that waits for a task slot. So a wave gets an
end before it starts: `send_until`, which every task carries and the claim names. Nobody renews anything meanwhile.
"""

from __future__ import annotations

PLANNED_TIMES = 3.0
"""A wave may send this many times as long as it is planned to take."""
LEASES_PER_WAVE = 5.0
"""And no longer than this many leases: 15 minutes with the default lease of 3."""


def send_window_seconds(planned_seconds: float, lease_seconds: float) -> float:
    """The seconds for which a wave may start requests: three times the planned ones, between one lease and five.

    Args:
        planned_seconds: what the plan expects the wave to take.
        lease_seconds: `delivery.lease_seconds`.
    """
    return min(max(PLANNED_TIMES * planned_seconds, lease_seconds), LEASES_PER_WAVE * lease_seconds)


def longest_wave_seconds(wave_minutes: float, lease_seconds: float) -> float:
    """The seconds that a wave may be planned for, so that three times as many fit into the longest window.

    Args:
        wave_minutes: `delivery.wave_minutes`.
        lease_seconds: `delivery.lease_seconds`.
    """
    return min(60.0 * wave_minutes, LEASES_PER_WAVE * lease_seconds / PLANNED_TIMES)


def survey_seconds(rows: int, slots: int) -> float:
    """A generous guess of how long a survey with its staging takes, from what two cores were measured to do.

    Args:
        rows: rows of the source.
        slots: task slots.
    """
    return rows / (SURVEYED_ROWS_PER_SECOND_PER_SLOT * max(1, slots))


SURVEYED_ROWS_PER_SECOND_PER_SLOT = 20_000
"""1.47 million unchanged events are surveyed in 18 s by 2 slots, a first run stages as many a second."""
