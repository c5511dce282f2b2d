"""Where the stand-in keeps what it got: SQLite, in memory or in a file that others can open meanwhile."""

from __future__ import annotations

import itertools
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
    timestamp TEXT, start INTEGER, stop INTEGER);
CREATE TABLE IF NOT EXISTS bodies (request INTEGER PRIMARY KEY, compression TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS dropped (request INTEGER, position INTEGER, message_id TEXT, reason TEXT);
"""

MessageRow = tuple[int, int, str, str | None, str | None, str | None, str | None, int, int]
"""A row of `messages` from `request` on; `start` and `stop` count characters of the decoded body."""

DroppedRow = tuple[int, int | None, str | None, str]
"""A row of `dropped`; without position the whole body."""

_INSERT_REQUEST = f"INSERT INTO requests VALUES ({','.join('?' * 12)})"
_INSERT_MESSAGE = f"INSERT INTO messages VALUES (NULL,{','.join('?' * 9)})"


@dataclass(frozen=True)
class RequestRow:
    """A row of `requests`.

    Args:
        number: 1, 2, … in order of arrival.
        path: as requested, such as `/v1/batch`.
        status: what was answered; None: the connection was dropped.
        strict: whether strict mode was asked for.
        arrival: monotonic seconds.
        arrived_at: UTC, ISO 8601.
        bytes: size of the body, uncompressed.
        compressed_bytes: its size on the wire if that was compressed.
        items: messages in it, as far as it could be read.
        kept: those that count as received.
        items_over_limit: those above 32,000 bytes.
        headers: JSON object, without the key.
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
    """The tables; thread-safe. Bodies are stored once, compressed; a message is a row that points into its body.

    Args:
        path: a file, continued if it exists; None: memory.

    Raises:
        ConfigurationError: the file cannot be opened as a database.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            # readers of the file do not wait for us; losing it in a power cut does not matter
            self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + SCHEMA)
        except sqlite3.Error as error:
            raise ConfigurationError.of("store", f"cannot open {path} as an SQLite database: {error}") from error
        last: int = self.column("SELECT coalesce(max(number), 0) FROM requests")[0]
        self._numbers = itertools.count(last + 1)
        weakref.finalize(self, self._connection.close)

    def new_number(self) -> int:
        """The number of a request that has arrived."""
        return next(self._numbers)

    def record(
        self,
        request: RequestRow,
        messages: Sequence[MessageRow],
        dropped: Sequence[DroppedRow],
        body: bytes,
        gzip: bytes | None,
    ) -> None:
        """Store one request with all that was in it, at once.

        Args:
            request: its row.
            messages: the rows of the messages that count as received.
            dropped: the rows of those that do not.
            body: the uncompressed body.
            gzip: the body as it came, if compressed.
        """
        with self._lock, self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute(_INSERT_REQUEST, astuple(request))
            if messages:
                stored = ("zlib", zlib.compress(body, 1)) if gzip is None else ("gzip", gzip)
                self._connection.execute("INSERT INTO bodies VALUES (?,?,?)", (request.number, *stored))
                self._connection.executemany(_INSERT_MESSAGE, messages)
            if dropped:
                self._connection.executemany("INSERT INTO dropped VALUES (?,?,?,?)", dropped)

    def query(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows of a SELECT, as dictionaries."""
        with self._lock:
            cursor = self._connection.execute(sql, arguments)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def column(self, sql: str, *arguments: object) -> list[Any]:
        """The first column of a SELECT."""
        with self._lock:
            return [row[0] for row in self._connection.execute(sql, arguments)]

    def index(self, column: str) -> None:
        """Make lookups of messages by this column cheap; only on demand, for it costs every insertion."""
        with self._lock:
            self._connection.execute(f"CREATE INDEX IF NOT EXISTS messages_by_{column} ON messages ({column})")

    def body(self, number: int) -> str:
        """The decoded body of a request of which something was received."""
        row = self.query("SELECT compression, body FROM bodies WHERE request = ?", number)[0]
        expand = decompress if row["compression"] == "gzip" else zlib.decompress
        return expand(row["body"]).decode()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN")
            for table in ("requests", "messages", "bodies", "dropped"):
                self._connection.execute(f"DELETE FROM {table}")
