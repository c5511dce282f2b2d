"""What all configuration models share: strictness, and the small checked types their fields are made of."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


class TextEnum(str, Enum):
    """An enumeration whose members are, compare and print as their text (`enum.StrEnum` needs Python 3.11)."""

    def __str__(self) -> str:
        return str(self.value)


class ConfigModel(BaseModel):
    """A section of the configuration: it cannot be changed, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)


def sentence(text: str) -> PydanticCustomError:
    """The error of a check of ours, whose text is shown to the user as it stands."""
    return PydanticCustomError("sentence", "{text}", {"text": text})


def _not_blank(text: str) -> str:
    if not text.strip():
        raise sentence("must not be blank")
    return text


def _not_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise sentence(f"must be a number, found {str(value).lower()}")
    return value


def _listed_once(names: list[str]) -> list[str]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise sentence(f"lists {', '.join(map(repr, repeated))} more than once")
    return names


NAME_PATTERN = r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,99}$"
IDENTIFIER_PATTERN = r"^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,254}$"

Text = Annotated[str, AfterValidator(_not_blank)]
"""Text that says something."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A name that is safe in table rows, batch ids and file names."""

Identifier = Annotated[str, Field(pattern=IDENTIFIER_PATTERN)]
"""A catalog's or database's name; whoever puts it in SQL quotes it with backticks (it may hold a hyphen)."""

Columns = Annotated[list[Text], AfterValidator(_listed_once)]
"""Names of columns, each once."""

Whole = Annotated[int, BeforeValidator(_not_boolean)]
"""A whole number; `true` is not 1."""

Real = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_not_boolean)]
"""A finite number; `true` is not 1.0."""
