"""Implements the circuit breaker, which pauses requests to an API that fails repeatedly, and finally gives it up."""

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
    """Lists the circuit's answers to a lane that wants to send."""

    SEND = "send"
    TRIAL = "trial"
    """Send a trial request; all other lanes wait for its result."""
    REFUSED = "refused"
    """Do not send: the circuit has given the API up, or the partition has stopped."""


class CircuitChange(Enum):
    """Lists the changes of the circuit that an answer can cause."""

    OPENED = "opened"
    CLOSED = "closed"
    GAVE_UP = "gave_up"


class _State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    GIVEN_UP = "given_up"


class Circuit:
    """Decides whether the lanes of a process may send, for one run (Nygard, "Release It!", "Circuit Breaker").

    While the circuit is closed, every lane may send. It opens after `failures` failed requests without a sign of life
    between them: lanes then wait for a cool-down. The cool-down is 5 s at first, doubles with every failed trial up to
    60 s, and is at least the wait that the API asked for, but ends with the budget at the latest. After the cool-down
    the circuit is half-open: one lane sends a trial, and the others wait. If the budget since the first failure is used
    up while the circuit is closed, it becomes half-open at once.

    An answer that shows a working API closes the circuit. A failed trial opens it again, or, once the budget is used
    up, gives the API up for the rest of the run. The last cool-down ends with the budget, so every outage ends with a
    trial.

    The table of statuses (`classification`) says which answers are failures and which are signs of life.

    Args:
        failures: number of failed requests that opens the circuit; with 0 it never opens.
        budget_seconds: seconds from the first of these failures until the API is given up; no lane waits longer than
            the rest of it.
        clock: tells the time.
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
        """Wait until a request may be sent; the caller must hand back every permit with `record`.

        Args:
            stop: stop flag of the lane's partition; it ends the wait.
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
                    # This waits for another lane's answer and not for time to pass, so it does not use the clock
                    self._changed.wait(LONGEST_NAP_SECONDS)
                    continue
                left = self._trial_at - self._clock.monotonic()
                if left <= 0:
                    self._state = _State.HALF_OPEN
                    return Permit.TRIAL
            stop.pause(min(left, LONGEST_NAP_SECONDS))

    def record(self, permit: Permit, verdict: Verdict | None) -> CircuitChange | None:
        """Hand back a permit, with the verdict on the request that it allowed.

        Args:
            permit: the permit that `ask` returned.
            verdict: verdict on the answer; None if no request was made after all.

        Returns:
            The change of the circuit that the answer caused; None if there is none. A failed trial leaves it open,
            which is no change.
        """
        with self._changed:
            was_closed = self._state is _State.CLOSED
            # The answer to a request that was sent before the circuit opened may have closed it in the meantime
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
        """Return the seconds until the next trial; 0 if the circuit is not open."""
        with self._changed:
            return max(0.0, self._trial_at - self._clock.monotonic()) if self._state is _State.OPEN else 0.0

    @property
    def given_up(self) -> str | None:
        """Return a sentence that says why the API is not tried any more in this run; None if it is still tried."""
        if self._state is not _State.GIVEN_UP:
            return None
        reason = f" ({self._last_reason})" if self._last_reason else ""
        return f"the API could not be used for {self._budget_seconds:g} s{reason}; the rest goes with the next run"

    @property
    def seconds_left(self) -> float:
        """Return the seconds that are left of the budget: infinite while there is no failure."""
        with self._changed:
            return self._seconds_left()

    def _seconds_left(self) -> float:
        if not (self._count and self._failures):
            return math.inf
        return self._first_failure_at + self._budget_seconds - self._clock.monotonic()

    def _has_been_idle(self) -> bool:
        """Tell whether the last failure is so long ago that it no longer counts, as after a pause between two waves."""
        return self._clock.monotonic() > self._last_failure_at + self._budget_seconds + LONGEST_COOL_DOWN_SECONDS

    def _fail(self, trial: bool, asked_seconds: float) -> None:
        self._last_failure_at = self._clock.monotonic()
        if trial:
            if self._seconds_left() <= 0:
                self._state = _State.GIVEN_UP
            else:
                self._open(asked_seconds)
        elif self._state is _State.CLOSED:  # else the request was under way when the circuit opened
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
