"""The API key as a value that cannot be printed by accident."""

from __future__ import annotations

import hmac

from cio_spark.errors import ConfigurationError

MASK = "**********"


class ApiKey:
    """The key of a Customer.io workspace: printable only as a mask, readable only through `reveal()`.

    It can be pickled, because it travels to the executors inside a closure.

    Args:
        value: the key; white space around it is dropped.

    Raises:
        ConfigurationError: there is no key, or it holds characters no key has.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        value = value.strip()
        if not value:
            raise ConfigurationError.of("API key", "is empty")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigurationError.of(
                "API key", "holds blanks, line breaks or letters that no key has; copy it again"
            )
        self._value = value

    def reveal(self) -> str:
        """The key itself; for the Authorization header only."""
        return self._value

    def __repr__(self) -> str:
        return f"ApiKey({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ApiKey):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((ApiKey, self._value))

    def __reduce__(self) -> tuple[type[ApiKey], tuple[str]]:
        return ApiKey, (self._value,)
