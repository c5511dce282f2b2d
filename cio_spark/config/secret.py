"""Holds the API key and a webhook's address in values that cannot be printed by accident."""

from __future__ import annotations

import hmac

from cio_spark.errors import ConfigurationError

MASK = "**********"


class _Secret:
    """Holds a text that prints only as a mask and can be read only through `reveal()`; it can be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself, for the one place that needs it."""
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
    """Holds the key of a Customer.io workspace; the key travels to the executors inside a closure.

    Args:
        value: the key; white space around it is removed.

    Raises:
        ConfigurationError: the key is empty, or contains characters that no key has.
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
    """Holds the address that alerts are sent to; everybody who knows it can write there.

    Args:
        value: the address; white space around it is removed.

    Raises:
        ConfigurationError: the value is not an address that starts with http:// or https://.
    """

    __slots__ = ()

    def __init__(self, value: str) -> None:
        value = value.strip()
        if not value.lower().startswith(("http://", "https://")) or not value.isascii() or not value.isprintable():
            raise ConfigurationError.of("webhook", "must be an address that starts with https:// or http://")
        super().__init__(value)
