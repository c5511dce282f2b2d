"""Describes how values get into a payload: scalars, literals, and the mapping of columns to fields."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias
from typing import Literal as OneOf

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from cio_spark.config.base import Columns, ConfigModel, Text, validation_error

EXPRESSION_TAG, LITERAL_TAG, ALL_TAG, LIST_TAG = "<expression>", "<literal>", "<all>", "<list>"
UNION_TAGS = frozenset({EXPRESSION_TAG, LITERAL_TAG, ALL_TAG, LIST_TAG})
LARGEST_WHOLE_NUMBER = 2**63 - 1


def _plain_value(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE_NUMBER:
        raise validation_error("must be a number that fits into 64 bits; write a longer one as text")
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        raise validation_error("must be a finite number: JSON has no NaN and no infinity")
    if value is not None and not isinstance(value, (str, int, float, bool)):
        raise validation_error("must be text, a number, true, false or null")
    return value


class Literal(ConfigModel):
    """Is a constant with the same value for every row: `{value: EUR}`."""

    value: Annotated[str | int | float | bool | None, BeforeValidator(_plain_value)] = Field(
        description="The constant itself: text, a number, true, false or null."
    )


def _scalar_form(value: Any) -> str | None:
    if isinstance(value, str):
        return EXPRESSION_TAG
    return LITERAL_TAG if isinstance(value, (dict, Literal)) else None


def text_or_list(value: Any) -> str | None:
    """Return the tag of the form that a value has, one text or a list of texts; None for any other form."""
    if isinstance(value, str):
        return EXPRESSION_TAG
    return LIST_TAG if isinstance(value, (list, tuple)) else None


def _include_form(value: Any) -> str | None:
    if value == "*":
        return ALL_TAG
    return LIST_TAG if isinstance(value, (list, tuple)) else None


Scalar: TypeAlias = Annotated[
    Annotated[Text, Tag(EXPRESSION_TAG)] | Annotated[Literal, Tag(LITERAL_TAG)],
    Discriminator(_scalar_form, custom_error_type="scalar_form", custom_error_message="scalar"),
]
"""Spark SQL expression (a column name is one), or a literal."""

Include: TypeAlias = Annotated[
    Annotated[OneOf["*"], Tag(ALL_TAG)] | Annotated[Columns, Tag(LIST_TAG)],
    Discriminator(_include_form, custom_error_type="include_form", custom_error_message="include"),
]


class FieldMapping(ConfigModel):
    """Says which columns become fields of the payload under their own names, and which fields are computed."""

    include: Include | None = Field(
        None, description='Columns to send under their own names: a list, or "*" for all of the source.'
    )
    except_: Columns = Field(
        default_factory=list, alias="except", description='Columns to leave out; only together with include: "*".'
    )
    set: dict[Text, Scalar] = Field(
        default_factory=dict,
        description="Computed fields by name: a Spark SQL expression or {value: x}; wins over an included column.",
    )

    @model_validator(mode="after")
    def _except_needs_all(self) -> FieldMapping:
        if self.except_ and self.include != "*":
            raise validation_error('except leaves out columns of include: "*"; a list of columns needs no except')
        return self
