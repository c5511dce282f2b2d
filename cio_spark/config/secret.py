"""The API key and a webhook's address as values that cannot be printed by accident."""

from __future__ import annotations

import hmac

from cio_spark.errors import ConfigurationError

MASK = "**********"


class _Secret:
    """Text that is printable only as a mask, and readable only through `reveal()`; it can be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, _Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    def __reduce__(self) -> tuple[type[_Secret], tuple[str]]:
        return type(self), (self._value,)


class ApiKey(_Secret):
    """The key of a Customer.io workspace; it travels to the executors inside a closure.

    Args:
        value: the key; white space around it is dropped.

    Raises:
        ConfigurationError: there is no key, or it holds characters no key has.
    """

    __slots__ = ()

    def __init__(self, value: str) -> None:
        value = value.strip()
        if not value:
            raise ConfigurationError.of("API key", "is empty")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigurationError.of(
                "API key", "holds blanks, line breaks or letters that no key has; copy it again"
            )
        super().__init__(value)


class WebhookUrl(_Secret):
    """The address alerts are told to; whoever knows it can write there.

    Args:
        value: the address; white space around it is dropped.

    Raises:
        ConfigurationError: it is none.
    """

    __slots__ = ()

    def __init__(self, value: str) -> None:
        value = value.strip()
        if not value.lower().startswith(("http://", "https://")) or not value.isascii() or not value.isprintable():
            raise ConfigurationError.of("webhook", "must be an address that starts with https://")
        super().__init__(value)
