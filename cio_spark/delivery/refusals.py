"""Records that validation refused: passed through, never sent."""

from __future__ import annotations

from collections.abc import Iterator

from cio_spark.delivery.outcome import INVALID, Fate, OutcomeGroup, group_of
from cio_spark.delivery.records import Records

MOST_RECORDS = 1000


class Refusals:
    """Gathers refused records by code and message, so many at most."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str | None], Records] = {}
        self._count = 0

    def add(
        self,
        code: str,
        message: str | None,
        record_id: str | None,
        person_key: str | None,
        message_id: str | None,
        payload_hash: int | None,
        payload_bytes: int | None,
    ) -> None:
        """Take one record."""
        records = self._groups.get((code, message))
        if records is None:
            records = self._groups[code, message] = Records.none()
        records.record_ids.append(record_id)
        records.person_keys.append(person_key)
        records.message_ids.append(message_id)
        records.payload_hashes.append(payload_hash)
        records.payload_bytes.append(payload_bytes)
        self._count += 1

    @property
    def full(self) -> bool:
        """Whether they should be taken now."""
        return self._count >= MOST_RECORDS

    def take(self) -> Iterator[OutcomeGroup]:
        """Give out what there is, and start anew."""
        groups, self._groups, self._count = self._groups, {}, 0
        for (code, message), records in groups.items():
            yield group_of(Fate(INVALID, "validation", code, message), records)
