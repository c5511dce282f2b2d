"""Makes run ids: ULIDs that sort by the sequence of runs, even if the clocks of their drivers differ."""

from __future__ import annotations

import secrets
from datetime import datetime

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TIME_CHARACTERS = 10
_RANDOM_BITS = 80


def new_run_id(now: datetime, newest: str | None) -> str:
    """Make a ULID that sorts after `newest`, even if this driver's clock is behind the clock that made `newest`.

    Args:
        now: time of this driver.
        newest: newest run id so far; None if there is none.
    """
    millis = int(now.timestamp() * 1000)
    if newest is not None:
        before = 0
        for character in newest[:TIME_CHARACTERS]:
            before = before * 32 + CROCKFORD.index(character)
        millis = max(millis, before + 1)
    return ulid(millis, secrets.randbits(_RANDOM_BITS))


def smallest_run_id(since: datetime) -> str:
    """Make the smallest id that a run of that time or later can have."""
    return ulid(int(since.timestamp() * 1000), 0)


def ulid(millis: int, bits: int) -> str:
    """Write a ULID: 10 characters of time and 16 of other bits, in Crockford's base 32.

    Args:
        millis: milliseconds since 1970.
        bits: a number of at most 80 bits.
    """
    number = (millis << _RANDOM_BITS) | bits
    return "".join(CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))
