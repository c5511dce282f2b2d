"""The rows a partition is made of, and the columns they are gathered in."""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple


class PreparedRow(NamedTuple):
    """A record ready to be sent, or refused by our validation; the columns of the prepared frame, in this order.

    Rows come as pyspark Rows, whose `__getitem__` and attributes are slow: unpack them, never index.

    Attributes:
        lane: which lane sends it (modulo the task's lanes); equal for all records of a person.
        payload: the call as JSON, message id included.
        payload_bytes: its UTF-8 bytes.
        record_id: of the source row.
        person_key: whose record it is.
        message_id: what is sent as `messageId`.
        payload_hash: hash of the payload without message id.
        error_code: why validation refused it; None: it is to be sent.
        error_message: the same for people.
    """

    lane: int
    payload: str | None
    payload_bytes: int | None
    record_id: str | None
    person_key: str | None
    message_id: str | None
    payload_hash: int | None
    error_code: str | None
    error_message: str | None


class Records(NamedTuple):
    """What identifies some records, as parallel lists.

    Lists that are appended to, because that is three times as quick as keeping the rows and turning them with `zip`.
    """

    record_ids: list[str | None]
    person_keys: list[str | None]
    message_ids: list[str | None]
    payload_hashes: list[int | None]
    payload_bytes: list[int | None]

    @classmethod
    def none(cls) -> Records:
        """Lists to append to."""
        return cls([], [], [], [], [])

    def chosen(self, which: list[bool]) -> Records:
        """Those whose place in `which` is true."""
        ids, persons, messages, hashes, sizes = self
        return Records(
            list(compress(ids, which)),
            list(compress(persons, which)),
            list(compress(messages, which)),
            list(compress(hashes, which)),
            list(compress(sizes, which)),
        )
