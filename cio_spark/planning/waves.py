"""How many waves a delivery takes."""

from __future__ import annotations

import math


def count_waves(eta_seconds: float, wave_minutes: float) -> int:
    """Waves of about so many minutes of sending.

    Args:
        eta_seconds: expected duration of the whole delivery.
        wave_minutes: what a wave should hold. A wave costs a commit, 1.5 to 3 s whatever its size, so three minutes
            keep the overhead under 2 %.
    """
    return max(1, math.ceil(eta_seconds / (60.0 * wave_minutes)))
