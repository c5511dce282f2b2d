"""Counts how far the waves of a run got."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Progression:
    """Counts how far the waves of a run got.

    Attributes:
        started, committed: waves.
        in_doubt: rows of a wave that started and never committed.
        not_started: rows of waves that never started.
        evaluated_again: rows of waves that Spark evaluated, and so sent, twice.
    """

    started: int = 0
    committed: int = 0
    in_doubt: int = 0
    not_started: int = 0
    evaluated_again: int = 0
