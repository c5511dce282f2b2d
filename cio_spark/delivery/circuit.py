"""The circuit breaker: leaves an API alone that has failed several times in a row, and in the end gives it up."""

from __future__ import annotations

import math
import threading
from enum import Enum
from typing import Final

from cio_spark.clock import Clock
from cio_spark.delivery.classification import ApiSign, Verdict
from cio_spark.delivery.stop import LONGEST_NAP_SECONDS, Stop

FIRST_COOL_DOWN_SECONDS: Final = 5.0
LONGEST_COOL_DOWN_SECONDS: Final = 60.0


class Permit(Enum):
    """The circuit's answer to a lane that wants to send."""

    SEND = "send"
    TRIAL = "trial"
    """Send, for everybody: all other lanes wait for what comes of it."""
    REFUSED = "refused"
    """Do not send: the API is given up, or the partition has stopped."""


class CircuitChange(Enum):
    """Says what an answer has made the circuit do."""

    OPENED = "opened"
    CLOSED = "closed"
    GAVE_UP = "gave_up"


class _State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    GIVEN_UP = "given_up"


class Circuit:
    """One for all lanes of a process, for one run. (Nygard, "Release It!", "Circuit Breaker".)

    Closed: everybody sends. After so many failed requests with no sign of life between, or once the budget since the
    first of them is used up, it opens: lanes wait for a cool-down, which starts at 5 s, doubles with every failed trial
    up to 60 s, and is no shorter than what the API asked for. Then it is half-open: one lane sends a trial, the others
    wait. An answer that shows a working API closes it; a failure opens it again, or, once the budget is used up, gives
    the API up for the rest of the run. The last cool-down ends with the budget, so every outage ends with a trial.

    What counts as a failure or as a sign of life stands in the table of statuses (`classification`).

    Args:
        failures: failed requests that open it; 0: it never opens.
        budget_seconds: from the first of the failures to giving up; no wait of a lane is longer than what is left.
        clock: time.
    """

    def __init__(self, failures: int, budget_seconds: float, clock: Clock) -> None:
        self._failures = failures
        self._budget_seconds = budget_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._state = _State.CLOSED
        self._count = 0
        self._first_failure_at = self._last_failure_at = 0.0
        self._cool_down_seconds = 0.0
        self._trial_at = 0.0
        self._last_reason = ""

    def ask(self, stop: Stop) -> Permit:
        """Wait until a request may be sent; every permit is to be handed back with `record`.

        Args:
            stop: of the lane's partition; ends the wait.
        """
        while True:
            with self._changed:
                if self._state is _State.CLOSED:
                    if self._has_been_idle():
                        self._count = 0
                    if self._seconds_left() > 0:
                        return Permit.SEND
                    self._state = _State.HALF_OPEN
                    return Permit.TRIAL
                if self._state is _State.GIVEN_UP or stop.is_set():
                    return Permit.REFUSED
                if self._state is _State.HALF_OPEN:
                    # For another lane's answer, not for time to pass: hence not the clock
                    self._changed.wait(LONGEST_NAP_SECONDS)
                    continue
                left = self._trial_at - self._clock.monotonic()
                if left <= 0:
                    self._state = _State.HALF_OPEN
                    return Permit.TRIAL
            stop.pause(min(left, LONGEST_NAP_SECONDS))

    def record(self, permit: Permit, verdict: Verdict | None) -> CircuitChange | None:
        """Say what came of a permit.

        Args:
            permit: what `ask` gave.
            verdict: on the answer; None: no request was made after all.

        Returns:
            What the circuit did because of it; None: it is as it was. A trial that fails leaves it open.
        """
        with self._changed:
            was_closed = self._state is _State.CLOSED
            # An answer from before the circuit opened may have closed it meanwhile
            trial = permit is Permit.TRIAL and self._state is _State.HALF_OPEN
            sign = verdict.rule.sign if verdict is not None else ApiSign.SILENT
            if verdict is not None and sign is ApiSign.FAILING:
                self._last_reason = verdict.answer.brief
                self._fail(trial, verdict.answer.retry_after_seconds or 0.0)
            elif sign is ApiSign.ALIVE:
                if self._state is not _State.GIVEN_UP:
                    self._state, self._count, self._cool_down_seconds = _State.CLOSED, 0, 0.0
            elif trial:
                self._state = _State.OPEN  # its cool-down is over: the next lane may try
            self._changed.notify_all()
            if self._state is _State.GIVEN_UP:
                return CircuitChange.GAVE_UP if trial else None
            if was_closed is (self._state is _State.CLOSED):
                return None
            return CircuitChange.OPENED if was_closed else CircuitChange.CLOSED

    @property
    def seconds_until_trial(self) -> float:
        """Tells how long it will stay open; 0 where it is not."""
        with self._changed:
            return max(0.0, self._trial_at - self._clock.monotonic()) if self._state is _State.OPEN else 0.0

    @property
    def given_up(self) -> str | None:
        """Why the API is not tried any more in this run, a sentence; None: it is."""
        if self._state is not _State.GIVEN_UP:
            return None
        reason = f" ({self._last_reason})" if self._last_reason else ""
        return f"the API could not be used for {self._budget_seconds:g} s{reason}; the rest goes with the next run"

    @property
    def seconds_left(self) -> float:
        """Tells what is left of the budget: infinite while there is no failure to count from."""
        with self._changed:
            return self._seconds_left()

    def _seconds_left(self) -> float:
        if not (self._count and self._failures):
            return math.inf
        return self._first_failure_at + self._budget_seconds - self._clock.monotonic()

    def _has_been_idle(self) -> bool:
        """Say whether nothing was sent for so long that failures before it say nothing: a pause between two waves."""
        return self._clock.monotonic() > self._last_failure_at + self._budget_seconds + LONGEST_COOL_DOWN_SECONDS

    def _fail(self, trial: bool, asked_seconds: float) -> None:
        self._last_failure_at = self._clock.monotonic()
        if trial:
            if self._seconds_left() <= 0:
                self._state = _State.GIVEN_UP
            else:
                self._open(asked_seconds)
        elif self._state is _State.CLOSED:  # else: it was under way when the circuit opened
            self._count += 1
            if self._count == 1:
                self._first_failure_at = self._clock.monotonic()
            if self._count == self._failures:
                self._open(asked_seconds)

    def _open(self, asked_seconds: float) -> None:
        self._state = _State.OPEN
        doubled = min(max(2 * self._cool_down_seconds, FIRST_COOL_DOWN_SECONDS), LONGEST_COOL_DOWN_SECONDS)
        self._cool_down_seconds = doubled
        self._trial_at = self._clock.monotonic() + min(max(doubled, asked_seconds), self._seconds_left())
