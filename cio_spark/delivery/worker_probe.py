"""Probes the API from a worker, and says what to allow where the workers' way to it is closed.

The tasks send, and their machines may have other rules for outgoing connections than the driver's: a serverless network
policy, a firewall, a proxy. `engine.py` runs `probe_row` in a task, after the driver's own probe.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa

from cio_spark.delivery.classification import Outcome, classify
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.probe import ProbeSettings, probe
from cio_spark.errors import ApiRefusedError, NetworkError

PROBE_ROW: Final = "status INT, reason STRING, failure STRING"
"""Columns of a `ProbeRow`."""
_WHAT_TO_ALLOW: Final = (
    "allow it where tasks run (on serverless compute in the workspace's network policy; elsewhere in the firewall, or "
    "in the workers' proxy settings)"
)
_PORTS: Final = {"https": 443, "http": 80}


class ProbeRow(NamedTuple):
    """Holds the answer that a worker got, as the row that its task returns; it has no words of the API and no key.

    Attributes:
        status: the HTTP status; None if none came.
        reason: what went wrong; empty if nothing did.
        failure: value of the `Failure`; None if a status came.
    """

    status: int | None
    reason: str
    failure: str | None

    def as_arrow(self) -> pa.RecordBatch:
        """Return the row in the form that `mapInArrow` wants."""
        kinds = (pa.int32(), pa.string(), pa.string())
        return pa.RecordBatch.from_arrays(
            [pa.array([value], kind) for value, kind in zip(self, kinds, strict=True)], self._fields
        )


def probe_row(settings: ProbeSettings) -> ProbeRow:
    """Probe the API, and return the last answer as a row.

    Args:
        settings: where the API is and how to probe it.
    """
    answer = probe(settings).answer
    return ProbeRow(answer.status, answer.brief, None if answer.failure is None else answer.failure.value)


def check_worker(row: ProbeRow, settings: ProbeSettings) -> None:
    """Raise an error if a worker could not use the API.

    The driver has been accepted with the same key just before, so what stops a worker is on the worker's way.

    Args:
        row: the answer that the worker got.
        settings: where the API is.

    Raises:
        NetworkError: the worker got no answer.
        ApiRefusedError: the worker got an answer that says to stop: something on its way gives the answers.
    """
    answer = Answer(row.status, row.reason, failure=None if row.failure is None else Failure(row.failure))
    if answer.status is None:
        raise NetworkError(
            f"a worker cannot reach {_host_and_port(settings.base_url)} ({row.reason}), though the driver can: "
            f"{_WHAT_TO_ALLOW}; nothing was sent, it is safe to run again"
        )
    if classify(answer).outcome is Outcome.STOP:
        raise ApiRefusedError(
            f"a worker that asks {_host_and_port(settings.base_url)} is refused ({row.reason}), though the driver is "
            f"not: something on the way answers in the API's place, so {_WHAT_TO_ALLOW}; nothing was sent, it is safe "
            "to run again",
            answer.status,
        )


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or _PORTS.get(parts.scheme.lower(), 443)}"
