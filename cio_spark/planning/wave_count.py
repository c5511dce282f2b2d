"""Counts the waves that a delivery takes."""

from __future__ import annotations

import math


def count_waves(eta_seconds: float, wave_seconds: float) -> int:
    """Return the number of waves for a delivery, at least 1.

    Args:
        eta_seconds: expected seconds of the whole delivery.
        wave_seconds: seconds of sending that a wave should contain. A wave costs a commit and a pause, 1.5 to 4 s, so
            three minutes keep that to about 2 %; staging comes on top (docs/decisions/0006-waves.md).
    """
    return max(1, math.ceil(eta_seconds / wave_seconds))
