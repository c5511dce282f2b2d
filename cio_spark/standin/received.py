"""What the stand-in received, to be asked by tests and from outside."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from cio_spark.standin.contract import BODY_LIMIT_BYTES
from cio_spark.standin.store import Store

_PAGE_ROWS = 2_000


class OverLimit(NamedTuple):
    """How much broke the limits in their strict reading: items above 32,000 bytes, bodies above 500,000 bytes."""

    items: int
    bodies: int


class Received:
    """Queries over the messages that count as received, and over the requests they came in.

    A message is a dictionary: `seq` (order of arrival), `request`, `position` in its batch, `type`, `person`,
    `message_id`, `event`, `timestamp`, and `payload`, the message as it was sent.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self) -> int:
        """How many messages there are."""
        return int(self._store.column("SELECT count(*) FROM messages")[0])

    def count_by_type(self) -> dict[str, int]:
        """How many of each type."""
        rows = self._store.query("SELECT type, count(*) AS n FROM messages GROUP BY type ORDER BY type")
        return {row["type"]: row["n"] for row in rows}

    def message_ids(self) -> list[str]:
        """The message ids in order of arrival, every time they came."""
        return self._store.column("SELECT message_id FROM messages WHERE message_id IS NOT NULL ORDER BY seq")

    def duplicates(self) -> dict[str, int]:
        """Message ids that came more than once, and how often."""
        rows = self._store.query(
            "SELECT message_id, count(*) AS n FROM messages WHERE message_id IS NOT NULL"
            " GROUP BY message_id HAVING n > 1 ORDER BY message_id"
        )
        return {row["message_id"]: row["n"] for row in rows}

    def by_message_id(self, message_id: str) -> list[dict[str, Any]]:
        """The messages with this id, in order of arrival."""
        return self._matching("message_id", message_id)

    def by_person(self, person: str) -> list[dict[str, Any]]:
        """The messages of this person (userId, else anonymousId, else email, else groupId), in order of arrival."""
        return self._matching("person", person)

    def all(self) -> Iterator[dict[str, Any]]:
        """Every message in order of arrival; memory stays flat."""
        seq = 0
        while page := self._store.query(f"SELECT * FROM messages WHERE seq > ? ORDER BY seq LIMIT {_PAGE_ROWS}", seq):
            yield from self._with_payload(page)
            seq = page[-1]["seq"]

    def first(self, limit: int) -> list[dict[str, Any]]:
        """The first messages."""
        return list(itertools.islice(self.all(), limit))

    def requests(self) -> list[dict[str, Any]]:
        """The requests in order of arrival: the fields of `store.RequestRow`, `headers` as a dictionary."""
        rows = self._store.query("SELECT * FROM requests ORDER BY number")
        return [{**row, "strict": bool(row["strict"]), "headers": json.loads(row["headers"])} for row in rows]

    def dropped(self) -> list[dict[str, Any]]:
        """What the API's rules refused: `request`, `status` (200: silently), `position` (None: all), `message_id`,
        `reason`.

        Not listed: messages that only shared a batch with a refused one, and requests that a scripted fault ended.
        """
        return self._store.query(
            "SELECT d.request, r.status, d.position, d.message_id, d.reason FROM dropped d"
            " JOIN requests r ON r.number = d.request ORDER BY d.rowid"
        )

    def over_limit(self) -> OverLimit:
        """What broke the limits in their strict reading, whether it was received or not."""
        items = self._store.column("SELECT coalesce(sum(items_over_limit), 0) FROM requests")[0]
        bodies = self._store.column("SELECT count(*) FROM requests WHERE bytes > ?", BODY_LIMIT_BYTES)[0]
        return OverLimit(items, bodies)

    def summary(self) -> dict[str, Any]:
        """The counts of all of the above."""
        statuses = self._store.query("SELECT status, count(*) AS n FROM requests GROUP BY status ORDER BY status")
        return {
            "messages": self.count(),
            "messages_by_type": self.count_by_type(),
            "duplicated_message_ids": len(self.duplicates()),
            "requests": sum(row["n"] for row in statuses),
            "requests_by_status": {str(row["status"] or "dropped connection"): row["n"] for row in statuses},
            "dropped": self._store.column("SELECT count(*) FROM dropped")[0],
            "over_limit": self.over_limit()._asdict(),
        }

    def clear(self) -> None:
        """Forget everything."""
        self._store.clear()

    def _matching(self, column: str, value: str) -> list[dict[str, Any]]:
        self._store.index(column)
        rows = self._store.query(f"SELECT * FROM messages WHERE {column} = ? ORDER BY seq", value)
        return list(self._with_payload(rows))

    def _with_payload(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        number, body = -1, ""
        for row in rows:
            if row["request"] != number:
                number = row["request"]
                body = self._store.body(number)
            start, stop = row.pop("start"), row.pop("stop")
            yield {**row, "payload": json.loads(body[start:stop])}
