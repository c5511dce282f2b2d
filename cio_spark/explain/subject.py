"""Names the record or person that a user asks about."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cio_spark.config import SyncConfig
from cio_spark.errors import ConfigurationError


@dataclass(frozen=True)
class Subject:
    """Names the record or person that a user asks about.

    Attributes:
        kind: `record` or `person`.
        value: the record id or the person key.
    """

    kind: str
    value: str

    @property
    def column(self) -> str:
        """Name of the column that contains the value, in prepared records and in the tables."""
        return "record_id" if self.kind == "record" else "person_key"

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


def subject_of(config: SyncConfig, record: str | None, person: str | None) -> Subject:
    """Return the subject that the options of a command name.

    Args:
        config: configuration of the sync. If several columns make the record id, the id is a JSON array, which may be
            given with or without blanks.
        record, person: record id or person key; exactly one must be given.

    Raises:
        ConfigurationError: neither or both are given.
    """
    if (record is None) == (person is None):
        raise ConfigurationError.of("", "say which with --record ID or --person ID, one of both")
    if record is None:
        return Subject("person", str(person))
    if len(config.payload.record_id_columns) > 1:
        try:
            parts = json.loads(record)
        except ValueError:
            parts = None
        if isinstance(parts, list):
            texts = [part if isinstance(part, str) else json.dumps(part) for part in parts]
            record = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return Subject("record", record)
