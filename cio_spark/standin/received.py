"""Answers questions of tests, and from outside, about what the stand-in received."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from cio_spark.standin.contract import BODY_LIMIT_BYTES
from cio_spark.standin.store import Store

_PAGE_ROWS = 2_000


class OverLimit(NamedTuple):
    """Counts what is over the limits in their strict reading: items above 32,000 bytes, bodies above 500,000 bytes."""

    items: int
    bodies: int


class Received:
    """Queries the messages that count as received, and the requests in which they came.

    A message is a dictionary with `seq` (its number in order of arrival), `request` (number of its request), `position`
    (in its batch, from 0), `type`, `person`, `message_id`, `event`, `timestamp` and `payload` (the message as it was
    sent).
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self) -> int:
        """Count the messages."""
        return int(self._store.column("SELECT count(*) FROM messages")[0])

    def count_by_type(self) -> dict[str, int]:
        """Count the messages of each type."""
        rows = self._store.query("SELECT type, count(*) AS n FROM messages GROUP BY type ORDER BY type")
        return {row["type"]: row["n"] for row in rows}

    def message_ids(self) -> list[str]:
        """Return the message ids in order of arrival; an id that came twice is there twice."""
        return self._store.column("SELECT message_id FROM messages WHERE message_id IS NOT NULL ORDER BY seq")

    def duplicates(self) -> dict[str, int]:
        """Return the message ids that came more than once, with the number of times."""
        rows = self._store.query(
            "SELECT message_id, count(*) AS n FROM messages WHERE message_id IS NOT NULL"
            " GROUP BY message_id HAVING n > 1 ORDER BY message_id"
        )
        return {row["message_id"]: row["n"] for row in rows}

    def by_message_id(self, message_id: str) -> list[dict[str, Any]]:
        """Return the messages with a message id, in order of arrival."""
        return self._matching("message_id", message_id)

    def by_person(self, person: str) -> list[dict[str, Any]]:
        """Return the messages of a person, in order of arrival.

        Args:
            person: userId of the messages, else anonymousId, else email, else groupId.
        """
        return self._matching("person", person)

    def all(self) -> Iterator[dict[str, Any]]:
        """Yield every message in order of arrival; they are read in pages, so that few are in memory at a time."""
        seq = 0
        while page := self._store.query(f"SELECT * FROM messages WHERE seq > ? ORDER BY seq LIMIT {_PAGE_ROWS}", seq):
            yield from self._with_payload(page)
            seq = page[-1]["seq"]

    def first(self, limit: int) -> list[dict[str, Any]]:
        """Return the messages that arrived first, at most `limit` of them."""
        return list(itertools.islice(self.all(), limit))

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests in order of arrival, with the fields of `store.RequestRow`; `headers` is a dictionary."""
        rows = self._store.query("SELECT * FROM requests ORDER BY number")
        return [{**row, "strict": bool(row["strict"]), "headers": json.loads(row["headers"])} for row in rows]

    def dropped(self) -> list[dict[str, Any]]:
        """Return the messages and bodies that the API's rules refused.

        Messages that only shared a batch with a refused message are not listed, nor are requests that a scripted fault
        ended.

        Returns:
            Dictionaries with `request` (its number), `status` (HTTP status of the answer; 200 if the refusal was
            silent), `position` (of the message in the body; None for the whole body), `message_id` and `reason`.
        """
        return self._store.query(
            "SELECT d.request, r.status, d.position, d.message_id, d.reason FROM dropped d"
            " JOIN requests r ON r.number = d.request ORDER BY d.rowid"
        )

    def over_limit(self) -> OverLimit:
        """Count what was over the limits in their strict reading, whether it counts as received or not."""
        items = self._store.column("SELECT coalesce(sum(items_over_limit), 0) FROM requests")[0]
        bodies = self._store.column("SELECT count(*) FROM requests WHERE bytes > ?", BODY_LIMIT_BYTES)[0]
        return OverLimit(items, bodies)

    def summary(self) -> dict[str, Any]:
        """Return the counts of messages, duplicates, requests, refusals and what is over the limits."""
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
        """Delete everything that was received."""
        self._store.clear()

    def _matching(self, column: str, value: str) -> list[dict[str, Any]]:
        self._store.index(column)
        rows = self._store.query(f"SELECT * FROM messages WHERE {column} = ? ORDER BY seq", value)
        return list(self._with_payload(rows))

    def _with_payload(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        number, payloads = -1, []
        for row in rows:
            if row["request"] != number:
                number = row["request"]
                payloads = self._store.payloads(number)
            yield {**row, "payload": payloads[row["position"]]}
