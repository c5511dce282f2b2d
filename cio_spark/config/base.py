"""Defines what all configuration models share: the strict base model, and the small checked types of their fields."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


class TextEnum(str, Enum):
    """Is an enumeration whose members are texts, and compare and print as such (`enum.StrEnum` needs Python 3.11)."""

    def __str__(self) -> str:
        return str(self.value)


class ConfigModel(BaseModel):
    """Is the base of all sections of the configuration: a section cannot be changed, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)


def validation_error(text: str) -> PydanticCustomError:
    """Make the error of one of our own checks, whose text is shown to the user unchanged."""
    return PydanticCustomError("sentence", "{text}", {"text": text})


def _not_blank(text: str) -> str:
    if not text.strip():
        raise validation_error("must not be blank")
    return text


def _not_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise validation_error(f"must be a number, found {str(value).lower()}")
    return value


def _listed_once(names: list[str]) -> list[str]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise validation_error(f"lists {', '.join(map(repr, repeated))} more than once")
    return names


NAME_PATTERN = r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,99}$"
IDENTIFIER_PATTERN = r"^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,254}$"

Text = Annotated[str, AfterValidator(_not_blank)]
"""Text that is not blank."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""Name that is safe in table rows, batch ids and file names."""

Identifier = Annotated[str, Field(pattern=IDENTIFIER_PATTERN)]
"""Name of a catalog or a database; it may contain a hyphen, so SQL must quote it with backticks."""

Columns = Annotated[list[Text], AfterValidator(_listed_once)]
"""Names of columns, each of them once."""

Whole = Annotated[int, BeforeValidator(_not_boolean)]
"""Whole number; `true` is not accepted as 1."""

Real = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_not_boolean)]
"""Finite number; `true` is not accepted as 1.0."""
