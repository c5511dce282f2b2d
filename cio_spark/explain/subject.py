"""Who or what is asked about."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cio_spark.config import SyncConfig
from cio_spark.errors import ConfigurationError


@dataclass(frozen=True)
class Subject:
    """Who or what is asked about.

    Attributes:
        kind: record or person.
        value: the record id, or the person's key.
    """

    kind: str
    value: str

    @property
    def column(self) -> str:
        """The column that names it, in prepared records and in the tables."""
        return "record_id" if self.kind == "record" else "person_key"

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


def subject_of(config: SyncConfig, record: str | None, person: str | None) -> Subject:
    """The subject that a command's options name.

    Args:
        config: the sync; where several columns make a record id, that is a JSON array, written with or without blanks.
        record, person: one of both.

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
