"""Describes the payload section: the call that is made for a row, and the fields of that call."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from cio_spark.config.base import Columns, ConfigModel, Text, validation_error
from cio_spark.config.calls import Call
from cio_spark.config.mapping import EXPRESSION_TAG, LIST_TAG, FieldMapping, Literal, Scalar, text_or_list
from cio_spark.config.payload_rules import payload_problems
from cio_spark.config.policies import NullHandling, NullPolicy, TimestampFormat, TimestampPolicy
from cio_spark.config.section_rules import raise_problems

__all__ = [
    "Call",
    "FieldMapping",
    "Literal",
    "NullHandling",
    "NullPolicy",
    "PayloadSection",
    "Scalar",
    "TimestampFormat",
    "TimestampPolicy",
]


def _one_or_several(columns: str | list[str]) -> str | list[str]:
    if not columns:
        raise validation_error("must name at least one column")
    return columns[0] if isinstance(columns, list) and len(columns) == 1 else columns


RecordId: TypeAlias = Annotated[
    Annotated[Text, Tag(EXPRESSION_TAG)] | Annotated[Columns, Tag(LIST_TAG)],
    Discriminator(text_or_list, custom_error_type="columns_form", custom_error_message="columns"),
    AfterValidator(_one_or_several),
]


# Matches `Europe/Berlin`, `UTC` and `+02:00`; Spark decides whether the region exists
_TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*|[+-]\d\d:\d\d")


def _as_a_zone(name: str) -> str:
    if _TIME_ZONE.fullmatch(name) is None:
        raise validation_error("must be a time zone, such as UTC, Europe/Berlin or +02:00")
    return name


class PayloadSection(ConfigModel):
    """Describes what is sent to Customer.io for a row.

    Every scalar is a Spark SQL expression, or {value: x} for a constant.
    """

    call: Call = Field(description="What is done with every row.")
    record_id: RecordId = Field(
        description="Column, or list of columns, that names a source row: unique, and the same on every run."
    )
    user_id: Scalar | None = Field(None, description="The person's id, at most 150 bytes.")
    anonymous_id: Scalar | None = Field(None, description="The id of a person not known by user_id.")
    email: Scalar | None = Field(None, description="The person's e-mail address in place of an id; identify only.")
    event: Scalar | None = Field(None, description="The event's name, at most 100 bytes; track only.")
    name: Scalar | None = Field(None, description="The name of the page or screen.")
    group_id: Scalar | None = Field(None, description="The id of the group (an object in Customer.io).")
    object_id: Scalar | None = Field(None, description="The id of the object that is deleted or no longer related.")
    object_type_id: Scalar | None = Field(None, description="The object's type; Customer.io assumes 1.")
    previous_id: Scalar | None = Field(None, description="The id the person had until now; alias only.")
    device_token: Scalar | None = Field(None, description="The device's push token.")
    device_type: Scalar | None = Field(None, description="The device's platform: ios or android, in these letters.")
    timestamp: Scalar | None = Field(
        None, description="When it happened; without it Customer.io takes the time of arrival."
    )
    properties: FieldMapping | None = Field(None, description="Properties of an event, page or screen.")
    properties_from: Text | None = Field(
        None,
        description="A struct, map or JSON column that is the properties; in place of properties. nulls and "
        "timestamps by field need a struct.",
    )
    traits: FieldMapping | None = Field(None, description="Attributes of a person or group.")
    traits_from: Text | None = Field(
        None,
        description="A struct, map or JSON column that is the traits; in place of traits. nulls and "
        "timestamps by field need a struct.",
    )
    context: FieldMapping | None = Field(None, description="Where it happened: ip, locale, userAgent and the like.")
    nulls: NullPolicy = Field(default_factory=NullPolicy, description="What becomes of nulls.")
    timestamps: TimestampPolicy = Field(
        default_factory=TimestampPolicy, description="How timestamps in properties, traits and context are written."
    )
    time_zone: Annotated[Text, AfterValidator(_as_a_zone)] = Field(
        "UTC",
        description="The time zone in which expressions read and write times (date_format, casts), in every session. "
        "What is sent as a timestamp is UTC in any case.",
    )

    @model_validator(mode="after")
    def _fields_fit_the_call(self) -> PayloadSection:
        raise_problems(payload_problems(self.model_dump(by_alias=True)))
        return self

    @property
    def record_id_columns(self) -> list[str]:
        """Columns of the record id, always as a list."""
        return [self.record_id] if isinstance(self.record_id, str) else list(self.record_id)
