"""Defines every error that cio_spark raises; all can be pickled, and no message contains a payload value.

The first sentence of each class says when the error is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class ExitStatus(IntEnum):
    """Lists the exit statuses of `cio-spark sync` and of the jobs; only `monitor` ends with 8 or 9.

    Several syncs in one job end with the worst of their statuses.
    """

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
    """Is the root of all errors of this package.

    A command ends with `exit_status` if nobody handles the error.
    """

    exit_status: ExitStatus = ExitStatus.INTERNAL_ERROR


_VERBS = frozenset(
    {"is", "has", "holds", "must", "cannot", "does", "lacks", "leads", "names", "needs", "takes", "fails"}
)
"""Verbs with which messages about a place begin."""


@dataclass(frozen=True)
class Problem:
    """Describes one mistake in what the user wrote.

    It names the place (such as `payload.properties.set.total`) and says what to do about it.
    """

    path: str
    message: str

    def __str__(self) -> str:
        """Write one sentence: a message that begins with a verb has the place as its subject."""
        if not self.path:
            return self.message
        link = " " if self.message.split(maxsplit=1)[0] in _VERBS else ": "
        return f"{self.path}{link}{self.message}"


class ConfigurationError(CioSparkError):
    """Says that the user's configuration cannot work; it carries every problem that was found, and nothing was sent."""

    exit_status = ExitStatus.CONFIGURATION_ERROR

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    @classmethod
    def of(cls, path: str, message: str) -> ConfigurationError:
        """Make the error for a single problem."""
        return cls([Problem(path, message)])

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class MissingLibraryError(ConfigurationError, ModuleNotFoundError):
    """Says that a library which an extra of this package brings is not installed, and names the extra."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        # What Python tells of every error of an import
        self.name, self.msg = problems[0].path, str(self)


class TableError(CioSparkError):
    """Says that a table of cio_spark cannot be used: it has another schema, or the user may not write it.

    The set-up of the tables raises it before anything is sent; a write that is denied later in the run raises it too.
    """

    exit_status = ExitStatus.CONFIGURATION_ERROR


class TablesInUseError(CioSparkError):
    """Says that the tables must be changed while other runs use them; nothing was sent, and it is safe to run again."""

    exit_status = ExitStatus.API_UNAVAILABLE


class ExpressionError(CioSparkError):
    """Says that a user's expression failed on a row while Spark evaluated it.

    Its message names the expression and, where Spark gives one, the error class, but never the value.
    """

    exit_status = ExitStatus.CONFIGURATION_ERROR


class SyncAlreadyRunningError(CioSparkError):
    """Says that another run of the same sync has the claim.

    Args:
        message: the other run, the time since when it has the claim, and what to do.
        holder: run id of the other run; None if it is unknown.
        free_at: when this run may take the sync over, if the other one was an earlier try of the same task of a
            Databricks job; else None.
    """

    exit_status = ExitStatus.CONFIGURATION_ERROR

    def __init__(self, message: str, holder: str | None = None, free_at: datetime | None = None) -> None:
        super().__init__(message, holder, free_at)
        self.message = message
        self.holder = holder
        self.free_at = free_at

    def __str__(self) -> str:
        return self.message


class EarlierTryError(CioSparkError):
    """Says that an earlier try of the same Databricks task has ended in a way that a retry does not help.

    This try sends nothing, and ends with the exit status of that try, so that it hides nothing.

    Args:
        sync: name of the sync.
        run_id: id of the earlier try's run.
        exit_status: exit status of that run.
    """

    def __init__(self, sync: str, run_id: str, exit_status: ExitStatus) -> None:
        super().__init__(sync, run_id, exit_status)
        self.sync = sync
        self.run_id = run_id
        self.exit_status = exit_status

    def __str__(self) -> str:
        return (
            f"sync {self.sync} is not tried again: the try before this one, run {self.run_id}, ended with exit status "
            f"{int(self.exit_status)}, and a retry would only hide that; repair the job's run once the reason is mended"
        )


class SyncTakenOverError(CioSparkError):
    """Says that another run has taken over the sync, because this run gave no sign of life for too long.

    If this run went on, it would send old values over new ones.

    Args:
        sync: name of the sync.
        wave: number of the wave that may have sent beside the other run; None if nothing was sent since this run last
            had the claim.
    """

    exit_status = ExitStatus.TAKEN_OVER

    def __init__(self, sync: str, wave: int | None = None) -> None:
        super().__init__(sync, wave)
        self.sync = sync
        self.wave = wave

    def __str__(self) -> str:
        return (
            f"sync {self.sync} was taken over by another run, for this one gave no sign of life for too long; "
            "nothing is lost: the next run recovers it"
        )


class SecondEvaluationError(CioSparkError):
    """Says that Spark evaluated a delivery a second time and that the tasks refused to send it again.

    The records that the first evaluation sent are in doubt.
    """


class RunInterruptedError(CioSparkError):
    """Says that an error ended a run after it had begun to send; the next run recovers it, and goes on from there."""


class RunCancelledError(CioSparkError):
    """Says that a run was cancelled, by a signal or by whoever cancelled its Spark jobs; the next run goes on.

    Args:
        message: how it was cancelled, and what that means.
        exit_status: `CANCELLED_SIGTERM`, or `CANCELLED_SIGINT` after Ctrl-C.
    """

    def __init__(self, message: str, exit_status: ExitStatus = ExitStatus.CANCELLED_SIGTERM) -> None:
        super().__init__(message, exit_status)
        self.message = message
        self.exit_status = exit_status

    def __str__(self) -> str:
        return self.message


class CustomerIOError(CioSparkError):
    """Says that the API refused or did not answer a request made through `CustomerIOClient`.

    Args:
        message: what happened, without payload values.
        status_code: HTTP status of the answer; None if there was no answer.
        detail: text of the API's answer. It may repeat what was sent, so it is in no message, only in this attribute.
    """

    def __init__(self, message: str, status_code: int | None = None, detail: str = "") -> None:
        super().__init__(message, status_code)
        self.message = message
        self.status_code = status_code
        self.detail = detail

    def __str__(self) -> str:
        return self.message


class RateLimitError(CustomerIOError):
    """Says that there were too many requests (HTTP 429)."""

    exit_status = ExitStatus.API_UNAVAILABLE


class ValidationError(CustomerIOError):
    """Says that the API refused what was sent (HTTP 400, 413 or 422)."""


class NetworkError(CustomerIOError):
    """Says that there was no usable answer: no connection, a time-out, or a server error."""

    exit_status = ExitStatus.API_UNAVAILABLE


class AuthenticationError(CustomerIOError):
    """Says that the API refused the key (HTTP 401 or 403)."""

    exit_status = ExitStatus.KEY_REFUSED


class ApiRefusedError(CustomerIOError):
    """Says that the API answered with a 4xx that is about neither the data nor the key.

    It would refuse every request in the same way.
    """

    exit_status = ExitStatus.API_UNAVAILABLE
