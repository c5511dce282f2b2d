"""Finds the parts that make an expression change by itself: functions of time, session and chance, and `today`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cio_spark.spark.sql.tokens import Token, UnreadableSqlError, read_tokens

# These functions give another value for each row, or for each evaluation within one query
_RANDOM = frozenset(
    {"rand", "randn", "random", "randstr", "uniform", "uuid", "shuffle", "monotonically_increasing_id"}
    | {"spark_partition_id", "input_file_name", "input_file_block_start", "input_file_block_length"}
    | {"reflect", "java_method", "try_reflect"}
)
# These functions give another value in another run, or for another user
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
"""Column that every file source has; it describes the file that a row happens to be in."""


@dataclass(frozen=True)
class ChangingParts:
    """Lists what may make an expression change by itself.

    Attributes:
        surely: True if the expression changes by itself, whatever the columns are.
        words: words in lower case that make it change unless a column has the same name.
        has_special_times: True if the expression contains a text such as `now`, which changes if it is read as a time.
    """

    surely: bool
    words: frozenset[str] = frozenset()
    has_special_times: bool = False


def is_changing_function(name: str) -> bool:
    """Tell whether a function gives another value in another run, or to another user."""
    return name.lower() in _CHANGING


def is_special_time(text: str) -> bool:
    """Tell whether a text means a time that depends on the moment at which Spark reads it, such as `now` or `today`."""
    return _SPECIAL_TIME.fullmatch(text) is not None


def find_changing_parts(sql: str) -> ChangingParts:
    """Find what may make an expression change by itself; a text that cannot be read counts as changing."""
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
    """Tell whether an expression may have another value for each row, or for each evaluation within one query."""
    try:
        tokens = read_tokens(sql)
    except UnreadableSqlError:
        return True
    return any(_calls(tokens, place, _RANDOM) for place in range(len(tokens)))


def _calls(tokens: tuple[Token, ...], place: int, functions: frozenset[str]) -> bool:
    """Tell whether one of these functions is called here; Spark also accepts its name in backticks."""
    token = tokens[place]
    return token.is_name and token.text.lower() in functions and _precedes(tokens, place, "(")


def _asks_for_now(tokens: tuple[Token, ...], place: int) -> bool:
    empty = _precedes(tokens, place, "(") and place + 2 < len(tokens) and tokens[place + 2].says(")")
    return empty and tokens[place].is_name and tokens[place].text.lower() in _OF_NOW_WITHOUT_ARGUMENTS


def _is_special_literal(tokens: tuple[Token, ...], place: int) -> bool:
    """Tell whether this is `date'today'` or a similar literal, which Spark replaces while it parses the query."""
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    is_time = tokens[place].kind == "word" and tokens[place].text.lower() in _TIMES
    return is_time and after is not None and after.kind == "text" and is_special_time(after.text)


def _lambda_parameters(tokens: tuple[Token, ...]) -> set[str]:
    """Return the names of the parameters of all lambdas `x -> …` and `(x, y) -> …`."""
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
