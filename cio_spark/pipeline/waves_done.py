"""Counts how many waves of a run were started and committed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class WavesDone:
    """Counts how many waves of a run were started and committed, and the rows of the others.

    Attributes:
        started, committed: number of waves.
        in_doubt: rows of a wave that was started but never committed.
        not_started: rows of waves that were never started.
        evaluated_again: rows of waves that Spark evaluated twice and therefore sent twice.
        committed_rows: rows of the committed waves.
        unchecked_wave: number of the wave that may have sent since the claim was last checked; None if none has.
        may_still_send: whether an interrupted or failed wave may be at work all the same.
    """

    started: int = 0
    committed: int = 0
    in_doubt: int = 0
    not_started: int = 0
    evaluated_again: int = 0
    committed_rows: int = 0
    unchecked_wave: int | None = None
    may_still_send: bool = False

    def start_wave(self, number: int) -> None:
        """Note that a wave begins to send, or that it is sent once more."""
        self.started = self.committed + 1
        self.unchecked_wave = number

    def commit_wave(self, rows: int) -> None:
        """Note that the wave under way is committed."""
        self.committed += 1
        self.committed_rows += rows

    def find_commit(self, persisted: int) -> None:
        """Note that a wave that ended with an exception is committed all the same, if its rows are in the table.

        Args:
            persisted: rows that the run has in `record_status`; a wave has all or none.
        """
        if self.in_doubt and persisted == self.committed_rows + self.in_doubt:
            self.commit_wave(self.in_doubt)
            self.in_doubt = 0
