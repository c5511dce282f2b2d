"""Decides what kind of error an exception is: by its type and its HTTP status, and by its words for `Exception`."""

from __future__ import annotations

from enum import Enum
from typing import Any

from cio_spark.delivery.classification import ErrorCategory, Outcome, classify
from cio_spark.delivery.exchange import Answer
from cio_spark.errors import AuthenticationError, CustomerIOError, NetworkError, RateLimitError, ValidationError


class ErrorKind(str, Enum):
    """Lists the notebook's categories of errors, and two that it did not have: `server` and `too_large`."""

    RATE_LIMIT = "rate_limit"
    NETWORK = "network"
    """There was no answer, or none in time."""
    SERVER = "server"
    VALIDATION = "validation"
    TOO_LARGE = "too_large"
    AUTHENTICATION = "authentication"
    UNKNOWN = "unknown"


_OURS: tuple[tuple[type[CustomerIOError], ErrorKind], ...] = (
    (RateLimitError, ErrorKind.RATE_LIMIT),
    (NetworkError, ErrorKind.NETWORK),
    (ValidationError, ErrorKind.VALIDATION),
    (AuthenticationError, ErrorKind.AUTHENTICATION),
)
_KIND_OF_CATEGORY = {ErrorCategory.TIMEOUT: ErrorKind.NETWORK}

# Exceptions of requests, urllib3, httpx, pydantic and Python are found by name, so that no library is imported for them
_KIND_OF_TYPE_NAME = {
    "Timeout": ErrorKind.NETWORK,
    "TimeoutError": ErrorKind.NETWORK,
    "TimeoutException": ErrorKind.NETWORK,
    "ConnectionError": ErrorKind.NETWORK,
    "ConnectError": ErrorKind.NETWORK,
    "NetworkError": ErrorKind.NETWORK,
    "ChunkedEncodingError": ErrorKind.NETWORK,
    "RateLimitError": ErrorKind.RATE_LIMIT,
    "ValidationError": ErrorKind.VALIDATION,
    "AuthenticationError": ErrorKind.AUTHENTICATION,
}
_KIND_OF_WORD = {
    "rate limit": ErrorKind.RATE_LIMIT,
    "network": ErrorKind.NETWORK,
    "timeout": ErrorKind.NETWORK,
    "validation": ErrorKind.VALIDATION,
    "authentication": ErrorKind.AUTHENTICATION,
    "unauthorized": ErrorKind.AUTHENTICATION,
}


def kind_of(error: BaseException) -> ErrorKind:
    """Return the kind of an error: by this package's types, else by its HTTP status, else by the names of its types.

    For a bare `Exception` the words of its message decide.
    """
    for kind, found in _OURS:
        if isinstance(error, kind):
            return found
    status = _status_of(error)
    if status is not None:
        return _kind_of_status(status)
    for base in type(error).__mro__:
        if base.__name__ in _KIND_OF_TYPE_NAME:
            return _KIND_OF_TYPE_NAME[base.__name__]
    if type(error) is Exception:
        text = str(error).lower()
        return next((kind for word, kind in _KIND_OF_WORD.items() if word in text), ErrorKind.UNKNOWN)
    return ErrorKind.UNKNOWN


def stops_everything(error: BaseException) -> bool:
    """Tell whether an error carries a status after which every other request would end in the same way."""
    status = _status_of(error)
    return status is not None and classify(Answer(status)).outcome is Outcome.STOP


def _status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an exception carries, or None.

    Exceptions of this package have it as their own attribute, those of the library requests on their `response`.
    """
    response: Any = getattr(error, "response", None)
    for status in (getattr(error, "status_code", None), getattr(response, "status_code", None)):
        if isinstance(status, int) and not isinstance(status, bool):
            return status
    return None


def _kind_of_status(status: int) -> ErrorKind:
    category = classify(Answer(status)).category
    if category is None:
        return ErrorKind.UNKNOWN
    return _KIND_OF_CATEGORY.get(category) or ErrorKind(category.value)
