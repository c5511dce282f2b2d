"""Stores what the stand-in received in SQLite: in memory, or in a file that other programs can read meanwhile."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import weakref
import zlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from cio_spark.errors import ConfigurationError
from cio_spark.standin.wire import decompress

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, path TEXT, status INTEGER, strict INTEGER, arrival REAL, arrived_at TEXT, bytes INTEGER,
    compressed_bytes INTEGER, items INTEGER, kept INTEGER, items_over_limit INTEGER, headers TEXT);
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY, request INTEGER, position INTEGER, type TEXT, person TEXT, message_id TEXT, event TEXT,
    timestamp TEXT);
CREATE TABLE IF NOT EXISTS bodies (request INTEGER PRIMARY KEY, compression TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS dropped (request INTEGER, position INTEGER, message_id TEXT, reason TEXT);
"""

MessageRow = tuple[int, int, str, str | None, str | None, str | None, str | None]
"""The columns of a row of `messages` from `request` on."""

DroppedRow = tuple[int, int | None, str | None, str]
"""The columns of a row of `dropped`; a row without a position is about the whole body."""

_INSERT_REQUEST = f"INSERT INTO requests VALUES ({','.join('?' * 12)})"
_INSERT_MESSAGE = (
    "INSERT INTO messages (request, position, type, person, message_id, event, timestamp) VALUES (?,?,?,?,?,?,?)"
)
# One statement for 100 rows takes two thirds of the time of 100 statements, and releases the interpreter lock once. Old
# versions of SQLite allow 999 parameters
_ROWS_AT_ONCE = 100
_INSERT_MESSAGES = _INSERT_MESSAGE + ",(?,?,?,?,?,?,?)" * (_ROWS_AT_ONCE - 1)


@dataclass(frozen=True)
class RequestRow:
    """Describes a row of `requests`.

    Args:
        number: number of the request, from 1, in order of arrival.
        path: path of the request, such as `/v1/batch`.
        status: HTTP status of the answer; None if the connection was dropped.
        strict: whether strict mode was asked for.
        arrival: time of arrival, in monotonic seconds.
        arrived_at: time of arrival, UTC, ISO 8601.
        bytes: size of the uncompressed body.
        compressed_bytes: size of the body on the wire; None if it was not compressed.
        items: number of messages in the body, as far as it could be read.
        kept: number of messages that count as received.
        items_over_limit: number of messages above 32,000 bytes.
        headers: headers of the request as a JSON object, without the API key.
    """

    number: int
    path: str
    status: int | None
    strict: bool
    arrival: float
    arrived_at: str
    bytes: int
    compressed_bytes: int | None
    items: int
    kept: int
    items_over_limit: int
    headers: str


class Store:
    """Writes and reads the tables; it is thread-safe.

    Each body is stored once, compressed; the row of a message has its position in the body.

    Args:
        path: path of the SQLite file; an existing file is continued. None for memory.

    Raises:
        ConfigurationError: the file cannot be opened as a database.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            # WAL: programs that read the file do not wait for this one. Losing the file in a power cut does not matter
            self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + SCHEMA)
        except sqlite3.Error as error:
            raise ConfigurationError.of("store", f"cannot open {path} as an SQLite database: {error}") from error
        last: int = self.column("SELECT coalesce(max(number), 0) FROM requests")[0]
        self._numbers = itertools.count(last + 1)
        weakref.finalize(self, self._connection.close)

    def new_number(self) -> int:
        """Return the number for a request that has just arrived."""
        return next(self._numbers)

    def record(
        self,
        request: RequestRow,
        messages: Sequence[MessageRow],
        dropped: Sequence[DroppedRow],
        body: bytes,
        gzip: bytes | None,
    ) -> None:
        """Store one request and all that was in it, in one transaction.

        Args:
            request: row of the request.
            messages: rows of the messages that count as received.
            dropped: rows of the messages, or of the body, that the API refused.
            body: the uncompressed body.
            gzip: the compressed body as it was on the wire; None if it was not compressed.
        """
        with self._lock, self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute(_INSERT_REQUEST, astuple(request))
            if messages:
                stored = ("zlib", zlib.compress(body, 1)) if gzip is None else ("gzip", gzip)
                self._connection.execute("INSERT INTO bodies VALUES (?,?,?)", (request.number, *stored))
                self._insert_messages(messages)
            if dropped:
                self._connection.executemany("INSERT INTO dropped VALUES (?,?,?,?)", dropped)

    def query(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        """Return the rows of a SELECT as dictionaries."""
        with self._lock:
            cursor = self._connection.execute(sql, arguments)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def column(self, sql: str, *arguments: object) -> list[Any]:
        """Return the first column of a SELECT."""
        with self._lock:
            return [row[0] for row in self._connection.execute(sql, arguments)]

    def index(self, column: str) -> None:
        """Create an index of messages by a column; only on demand, because it makes every insertion slower."""
        with self._lock:
            self._connection.execute(f"CREATE INDEX IF NOT EXISTS messages_by_{column} ON messages ({column})")

    def payloads(self, number: int) -> list[Any]:
        """Return all messages of a request, as they were sent; at least one of them must count as received."""
        row = self.query(
            "SELECT path, compression, body FROM bodies JOIN requests ON number = request WHERE request = ?", number
        )[0]
        expand = decompress if row["compression"] == "gzip" else zlib.decompress
        value = json.loads(expand(row["body"]).decode())
        return value["batch"] if row["path"] == "/v1/batch" else [value]

    def clear(self) -> None:
        """Delete all rows."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN")
            for table in ("requests", "messages", "bodies", "dropped"):
                self._connection.execute(f"DELETE FROM {table}")

    def _insert_messages(self, messages: Sequence[MessageRow]) -> None:
        rest = len(messages) % _ROWS_AT_ONCE
        self._connection.executemany(_INSERT_MESSAGE, messages[:rest])
        for start in range(rest, len(messages), _ROWS_AT_ONCE):
            rows = itertools.chain.from_iterable(messages[start : start + _ROWS_AT_ONCE])
            self._connection.execute(_INSERT_MESSAGES, list(rows))
