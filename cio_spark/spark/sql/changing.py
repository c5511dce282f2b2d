"""Finds what changes by itself in an expression: functions of time, session and chance, and texts such as `today`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cio_spark.spark.sql.tokens import Token, UnreadableSqlError, read_tokens

# They give another value for each row, or each time within one query
_RANDOM = frozenset(
    {"rand", "randn", "random", "randstr", "uniform", "uuid", "shuffle", "monotonically_increasing_id"}
    | {"spark_partition_id", "input_file_name", "input_file_block_start", "input_file_block_length"}
    | {"reflect", "java_method", "try_reflect"}
)
# They give another value in another run, or to another user
_CHANGING = _RANDOM | frozenset(
    {
        "curdate",
        "current_catalog",
        "current_database",
        "current_date",
        "current_metastore",
        "current_path",
        "current_recipient",
    }
    | {"current_schema", "current_time", "current_timestamp", "current_timezone", "current_user", "current_version"}
    | {"getdate", "is_account_group_member", "is_member", "localtimestamp", "now", "session_user", "user", "version"}
    | {"ai_query", "http_request", "secret", "try_secret"}
)
_WITHOUT_BRACKETS = frozenset(
    {"current_catalog", "current_database", "current_date", "current_path", "current_schema", "current_time"}
    | {"current_timestamp", "current_timezone", "current_user", "localtimestamp", "session_user", "user"}
)
_OF_NOW_WITHOUT_ARGUMENTS = frozenset({"unix_timestamp", "to_unix_timestamp"})
_TIMES = frozenset({"date", "timestamp", "timestamp_ntz", "timestamp_ltz"})
_SPECIAL_TIME = re.compile(r"\s*(?:now|today|tomorrow|yesterday)(?:\s+\S+)?\s*", re.IGNORECASE)
FILE_COLUMN = "_metadata"
"""The column that every file source has, of the files that rows happen to be in."""


@dataclass(frozen=True)
class ChangingParts:
    """Lists what may make an expression change by itself.

    Attributes:
        surely: something does, whatever the columns are.
        words: words that do where there is no such column, in lower case.
        has_special_times: a text such as `now` is in it, which changes where it is read as a time.
    """

    surely: bool
    words: frozenset[str] = frozenset()
    has_special_times: bool = False


def is_changing_function(name: str) -> bool:
    """Tell whether a function gives another value in another run, or to another user."""
    return name.lower() in _CHANGING


def is_special_time(text: str) -> bool:
    """Tell whether Spark reads a text as the time at which it reads it."""
    return _SPECIAL_TIME.fullmatch(text) is not None


def find_changing_parts(sql: str) -> ChangingParts:
    """Find what may make an expression change by itself; a text that cannot be read surely does."""
    try:
        tokens = read_tokens(sql)
    except UnreadableSqlError:
        return ChangingParts(surely=True)
    words = set()
    special = False
    parameters = _lambda_parameters(tokens)
    for place, token in enumerate(tokens):
        if _calls(tokens, place, _CHANGING) or _asks_for_now(tokens, place) or _is_special_literal(tokens, place):
            return ChangingParts(surely=True)
        if token.kind == "text":
            special = special or is_special_time(token.text)
            continue
        word = token.text.lower()
        if _follows(tokens, place, ".") or word in parameters:
            continue
        of_session = token.kind == "word" and word in _WITHOUT_BRACKETS and not _precedes(tokens, place, ".", "(")
        if of_session or (token.is_name and word == FILE_COLUMN):
            words.add(word)
    return ChangingParts(False, frozenset(words), special)


def is_random(sql: str) -> bool:
    """Tell whether an expression may give another value for each row, or each time within one query."""
    try:
        tokens = read_tokens(sql)
    except UnreadableSqlError:
        return True
    return any(_calls(tokens, place, _RANDOM) for place in range(len(tokens)))


def _calls(tokens: tuple[Token, ...], place: int, functions: frozenset[str]) -> bool:
    """Tell whether one of these functions is called here; Spark takes its name in backticks too."""
    token = tokens[place]
    return token.is_name and token.text.lower() in functions and _precedes(tokens, place, "(")


def _asks_for_now(tokens: tuple[Token, ...], place: int) -> bool:
    empty = _precedes(tokens, place, "(") and place + 2 < len(tokens) and tokens[place + 2].says(")")
    return empty and tokens[place].is_name and tokens[place].text.lower() in _OF_NOW_WITHOUT_ARGUMENTS


def _is_special_literal(tokens: tuple[Token, ...], place: int) -> bool:
    """Tell whether this is `date'today'` or its like, which the reader of the query itself replaces."""
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    is_time = tokens[place].kind == "word" and tokens[place].text.lower() in _TIMES
    return is_time and after is not None and after.kind == "text" and is_special_time(after.text)


def _lambda_parameters(tokens: tuple[Token, ...]) -> set[str]:
    """The names that `x -> …` and `(x, y) -> …` give to what they are called with."""
    found: set[str] = set()
    for place, token in enumerate(tokens):
        if not token.says("->") or not place:
            continue
        before = place - 1
        if tokens[before].says(")"):
            while before and not tokens[before].says("("):
                before -= 1
                found.add(tokens[before].text.lower())
        else:
            found.add(tokens[before].text.lower())
    return found


def _precedes(tokens: tuple[Token, ...], place: int, *signs: str) -> bool:
    return place + 1 < len(tokens) and tokens[place + 1].says(*signs)


def _follows(tokens: tuple[Token, ...], place: int, *signs: str) -> bool:
    return place > 0 and tokens[place - 1].says(*signs)
