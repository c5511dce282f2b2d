"""Every error cio_spark raises, one sentence each on when; all picklable, none with a payload value in its message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of `cio-spark sync` and of the jobs, of several syncs the worst; 8 and 9 only of `monitor`."""

    SUCCESS = 0
    INTERNAL_ERROR = 1
    CONFIGURATION_ERROR = 2
    ERROR_THRESHOLD_EXCEEDED = 3
    KEY_REFUSED = 4
    BOOKS_NOT_BALANCED = 5
    API_UNAVAILABLE = 6
    FAIL_FAST = 7
    MONITOR_WARNING = 8
    MONITOR_CRITICAL = 9
    TAKEN_OVER = 11
    CANCELLED_SIGINT = 130
    CANCELLED_SIGTERM = 143


class CioSparkError(Exception):
    """Root of all errors of this package; `exit_status` is what a command ends with when nobody handles it."""

    exit_status: ExitStatus = ExitStatus.INTERNAL_ERROR


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what the user wrote: where (`payload.properties.set.total`), and what to do about it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigurationError(CioSparkError):
    """What the user configured cannot work; carries every problem found, and nothing was sent."""

    exit_status = ExitStatus.CONFIGURATION_ERROR

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    @classmethod
    def of(cls, path: str, message: str) -> ConfigurationError:
        """The error for a single problem."""
        return cls([Problem(path, message)])

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class TableError(CioSparkError):
    """A table of ours cannot be used: another schema, no write access; nothing was sent."""

    exit_status = ExitStatus.CONFIGURATION_ERROR


class TablesInUseError(CioSparkError):
    """The tables must be changed, and other runs are at work in them; nothing was sent, and it is safe to run again."""

    exit_status = ExitStatus.API_UNAVAILABLE


class ExpressionError(CioSparkError):
    """A user's expression failed on a row while Spark evaluated it (error class and expression, never the value)."""

    exit_status = ExitStatus.CONFIGURATION_ERROR


class SyncAlreadyRunningError(CioSparkError):
    """Another run of the same sync holds the claim.

    Args:
        message: which run, since when, and what to do.
        holder: the id of that run; None: nobody knows which one it is.
    """

    exit_status = ExitStatus.CONFIGURATION_ERROR

    def __init__(self, message: str, holder: str | None = None) -> None:
        super().__init__(message, holder)
        self.message = message
        self.holder = holder

    def __str__(self) -> str:
        return self.message


class SyncTakenOverError(CioSparkError):
    """Another run has taken the sync over while this one gave no sign of life; going on would send old over new.

    Args:
        sync: the sync's name.
        wave: the wave that may have sent beside the other run; None: nothing was sent since the claim last held.
    """

    exit_status = ExitStatus.TAKEN_OVER

    def __init__(self, sync: str, wave: int | None = None) -> None:
        super().__init__(sync, wave)
        self.sync = sync
        self.wave = wave

    def __str__(self) -> str:
        return (
            f"sync {self.sync} was taken over by another run, for this one gave no sign of life for too long; "
            "nothing is lost: the next run settles it"
        )


class SecondEvaluationError(CioSparkError):
    """Spark evaluated a delivery a second time and its tasks refused; what the first evaluation sent is in doubt."""


class RunInterruptedError(CioSparkError):
    """An error ended a run after it had begun to send; the next run recovers it, and goes on from there."""


class CustomerIOError(CioSparkError):
    """The API refused or did not answer a request made through `CustomerIOClient`.

    Args:
        message: what happened, without payload.
        status_code: the HTTP status, None when there was no answer.
        detail: the API's own words; they may echo what was sent, so they stand in no message, only in this attribute.
    """

    def __init__(self, message: str, status_code: int | None = None, detail: str = "") -> None:
        super().__init__(message, status_code)
        self.message = message
        self.status_code = status_code
        self.detail = detail

    def __str__(self) -> str:
        return self.message


class RateLimitError(CustomerIOError):
    """HTTP 429: too many requests."""

    exit_status = ExitStatus.API_UNAVAILABLE


class ValidationError(CustomerIOError):
    """HTTP 400, 413 or 422: the API refused what was sent."""


class NetworkError(CustomerIOError):
    """No usable answer: no connection, a time-out, or a server error."""

    exit_status = ExitStatus.API_UNAVAILABLE


class AuthenticationError(CustomerIOError):
    """HTTP 401 or 403: the API key was refused."""

    exit_status = ExitStatus.KEY_REFUSED


class ApiRefusedError(CustomerIOError):
    """A 4xx that speaks neither of what was sent nor of the key: every request would be refused."""

    exit_status = ExitStatus.API_UNAVAILABLE
