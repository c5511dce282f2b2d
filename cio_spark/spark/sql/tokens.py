"""Cuts a text of SQL into words, texts and signs as Spark does, each with its place (docs/decisions/0014)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# The reader is large: only the driver needs it, and only where there is SQL to read
DIALECT = "databricks"
_BEFORE = "SELECT "
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_TEXTS = frozenset({"STRING", "RAW_STRING", "NATIONAL_STRING", "HEX_STRING", "BYTE_STRING", "UNICODE_STRING"})


class UnreadableSqlError(Exception):
    """A text that is no SQL to the reader: a quote or a comment does not end; Spark may think otherwise."""


@dataclass(frozen=True)
class Token:
    """One word, text or sign of a statement.

    Attributes:
        text: a word or sign as it is written; a quoted name or text without its quotes.
        kind: `word`, `name` (in backticks), `text`, `number` or `sign`.
        start: the place of its first character.
        end: the place behind its last character.
        depth: how many brackets are open around it.
    """

    text: str
    kind: str
    start: int
    end: int
    depth: int

    @property
    def is_name(self) -> bool:
        """Tell whether this may be part of a name: Spark lets most of its keywords be names."""
        return self.kind in ("word", "name")

    def says(self, *words: str) -> bool:
        """Tell whether this is one of these words (upper case), unquoted, or one of these signs."""
        return self.kind in ("word", "sign") and self.text.upper() in words


def is_readable(sql: str) -> bool:
    """Tell whether a text can be read at all."""
    try:
        read_tokens(sql)
    except UnreadableSqlError:
        return False
    return True


@lru_cache(maxsize=512)
def read_tokens(sql: str) -> tuple[Token, ...]:
    """Read the tokens of a text; comments are left out.

    Args:
        sql: a statement, an expression or a name.

    Raises:
        UnreadableSqlError: the text cannot be read.
    """
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import SqlglotError

    try:
        # Behind a first word such as `show` or `call` the reader takes the rest of a statement for one text
        read = Dialect.get_or_raise(DIALECT).tokenize(_BEFORE + sql)[1:]
    except SqlglotError:
        raise UnreadableSqlError from None
    tokens: list[Token] = []
    depth = 0
    for token in read:
        start, end = token.start - len(_BEFORE), token.end + 1 - len(_BEFORE)
        written = sql[start:end]
        kind = _kind(token.token_type.name, token.text, written)
        if kind is None:  # the reader takes `5L` for a number that is cast: one place, three tokens
            continue
        if kind == "sign" and written in _CLOSING:
            depth -= 1
        tokens.append(Token(token.text, kind, start, end, depth))
        if kind == "sign" and written in _OPENING:
            depth += 1
    return tuple(tokens)


def _kind(name: str, text: str, written: str) -> str | None:
    if name in _TEXTS:
        return "text"
    if name == "IDENTIFIER":
        return "name"
    if name == "NUMBER":
        return "number"
    if text != written:
        return None
    return "word" if text[:1].isalnum() or text[:1] == "_" else "sign"
