"""Describes how nulls and timestamps are treated in a payload."""

from __future__ import annotations

from typing import Any

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cio_spark.config.base import Columns, ConfigModel, TextEnum, validation_error


class NullHandling(TextEnum):
    """Says whether a null is left out of the payload, or is sent and overwrites the value in Customer.io."""

    DROP = "drop"
    SEND = "send"


class TimestampFormat(TextEnum):
    """Lists the formats in which a timestamp is written."""

    ISO = "iso"
    UNIX_SECONDS = "unix_seconds"


def _in_both(one: list[str], other: list[str]) -> str:
    return ", ".join(repr(name) for name in one if name in other)


class NullPolicy(ConfigModel):
    """Says how nulls are treated; by default they are dropped, because they can overwrite good values."""

    default: NullHandling = Field(NullHandling.DROP, description="What happens to a null in any field not listed.")
    drop: Columns = Field(default_factory=list, description="Fields whose nulls are left out.")
    send: Columns = Field(default_factory=list, description="Fields whose nulls are sent as JSON null.")

    @model_validator(mode="after")
    def _one_way_per_field(self) -> NullPolicy:
        if both := _in_both(self.drop, self.send):
            raise validation_error(f"{both} cannot be in drop and in send")
        return self


class TimestampPolicy(ConfigModel):
    """Says how timestamps are written: `iso`, `unix_seconds`, or a mapping with exceptions by field."""

    default: TimestampFormat | None = Field(
        None,
        description="Format of every timestamp not listed; without it iso in properties, unix_seconds in traits "
        "(segments work on UNIX seconds).",
    )
    iso: Columns = Field(default_factory=list, description="Fields written as ISO 8601 text, UTC, in milliseconds.")
    unix_seconds: Columns = Field(default_factory=list, description="Fields written as whole seconds since 1970, UTC.")

    @model_validator(mode="before")
    @classmethod
    def _from_bare_format(cls, value: Any) -> Any:
        return {"default": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_format_per_field(self) -> TimestampPolicy:
        if both := _in_both(self.iso, self.unix_seconds):
            raise validation_error(f"{both} cannot be in iso and in unix_seconds")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler.resolve_ref_schema(handler(core_schema))
        formats = {"type": "string", "enum": [item.value for item in TimestampFormat]}
        return {"anyOf": [formats, dict(mapping)], "description": mapping.get("description", "")}
