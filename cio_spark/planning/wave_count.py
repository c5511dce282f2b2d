"""How many waves a delivery takes."""

from __future__ import annotations

import math


def count_waves(eta_seconds: float, wave_seconds: float) -> int:
    """Count the waves of about so many seconds of sending.

    Args:
        eta_seconds: expected duration of the whole delivery.
        wave_seconds: what a wave should hold. A wave costs a commit and a pause, 1.5 to 4 s, so three minutes
            keep that to about 2 %; staging comes on top (docs/decisions/0006-waves.md).
    """
    return max(1, math.ceil(eta_seconds / wave_seconds))
