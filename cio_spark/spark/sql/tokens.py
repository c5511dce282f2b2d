"""Cuts SQL into words, texts and signs with their places, as Spark does.

docs/decisions/0014-users-sql-is-read-by-a-parser.md explains the use of a parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# sqlglot is large, so functions import it themselves: only the driver needs it, and only if there is SQL to read
DIALECT = "databricks"
_BEFORE = "SELECT "
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_TEXTS = frozenset({"STRING", "RAW_STRING", "NATIONAL_STRING", "HEX_STRING", "BYTE_STRING", "UNICODE_STRING"})


class UnreadableSqlError(Exception):
    """Says that a text cannot be read as SQL: a quote or a comment has no end; Spark may still accept it."""


@dataclass(frozen=True)
class Token:
    """Describes one word, text or sign of a statement.

    Attributes:
        text: a word or sign as it is written; a quoted name or text without its quotes.
        kind: `word`, `name` (in backticks), `text`, `number` or `sign`.
        start: place of its first character.
        end: place after its last character.
        depth: number of brackets that are open around it.
    """

    text: str
    kind: str
    start: int
    end: int
    depth: int

    @property
    def is_name(self) -> bool:
        """Tell whether the token may be part of a name: Spark allows most of its keywords as names."""
        return self.kind in ("word", "name")

    def says(self, *words: str) -> bool:
        """Tell whether the token is one of these words (in upper case), unquoted, or one of these signs."""
        return self.kind in ("word", "sign") and self.text.upper() in words


def is_readable(sql: str) -> bool:
    """Tell whether a text can be read as SQL."""
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
        # After a first word such as `show` or `call`, sqlglot takes the rest of a statement as one text
        read = Dialect.get_or_raise(DIALECT).tokenize(_BEFORE + sql)[1:]
    except SqlglotError:
        raise UnreadableSqlError from None
    tokens: list[Token] = []
    depth = 0
    for token in read:
        start, end = token.start - len(_BEFORE), token.end + 1 - len(_BEFORE)
        written = sql[start:end]
        kind = _kind(token.token_type.name, token.text, written)
        if kind is None:  # sqlglot makes three tokens of `5L`, a number that is cast, at one place
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
