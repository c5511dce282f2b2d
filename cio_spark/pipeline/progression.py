"""Counts how many waves of a run were started and committed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Progression:
    """Counts how many waves of a run were started and committed, and the rows of the others.

    Attributes:
        started, committed: number of waves.
        in_doubt: rows of a wave that was started but never committed.
        not_started: rows of waves that were never started.
        evaluated_again: rows of waves that Spark evaluated twice and therefore sent twice.
    """

    started: int = 0
    committed: int = 0
    in_doubt: int = 0
    not_started: int = 0
    evaluated_again: int = 0
