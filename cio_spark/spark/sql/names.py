"""Finds names in SQL: names of tables, names that may be columns, and the parts of a name."""

from __future__ import annotations

from dataclasses import dataclass

from cio_spark.spark.sql.tokens import Token, UnreadableSqlError, read_tokens


@dataclass(frozen=True)
class TableName:
    """Describes a name in a statement that may be the name of a table.

    Attributes:
        parts: catalog, database and table, as far as they are given.
        start: place of the first character of the name.
        end: place after the last character of the name.
        follows_from: True if the name stands where a statement names a table, so that it is surely a table.
        has_alias: True if the statement gives the name an alias.
    """

    parts: tuple[str, ...]
    start: int
    end: int
    follows_from: bool
    has_alias: bool


def quoted(*parts: str) -> str:
    """Write a name for SQL, each part in backticks."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def identifier_parts(name: str) -> tuple[str, ...] | None:
    """Return the parts of one name, such as `` `shop-x`.orders ``; None if the text is not exactly one name.

    Args:
        name: the name as it is written in SQL.
    """
    try:
        tokens = read_tokens(name)
    except UnreadableSqlError:
        return None
    chains = _chains(tokens)
    return chains[0][0] if len(chains) == 1 and chains[0][1:] == (0, len(tokens)) else None


def is_column_name(sql: str) -> bool:
    """Tell whether an expression is one plain name, without a dot."""
    parts = identifier_parts(sql)
    return parts is not None and len(parts) == 1


def table_names(sql: str) -> tuple[TableName, ...]:
    """Find every name in a statement that could be a table's; the result rather has too many names than too few.

    Args:
        sql: a query, or an expression with a subquery.

    Returns:
        The names in the order of the text; nothing if the text cannot be read.
    """
    try:
        tokens = read_tokens(sql)
    except UnreadableSqlError:
        return ()
    found = []
    for parts, first, behind in _chains(tokens):
        before = tokens[first - 1] if first else None
        after = tokens[behind] if behind < len(tokens) else None
        follows_from = before is not None and (before.says("FROM", "JOIN", "TABLE") or _lists_tables(tokens, first))
        has_alias = after is not None and (after.says("AS") or after.kind == "name" or _is_plain_alias(after))
        found.append(TableName(parts, tokens[first].start, tokens[behind - 1].end, follows_from, has_alias))
    return tuple(found)


def words_in(sql: str) -> frozenset[str] | None:
    """Collect every word of an expression that may name a column, in lower case.

    Returns:
        The words, which also include functions, keywords and fields. None if only the columns themselves can tell which
        of them are meant: the expression contains `*` or IDENTIFIER('…'), or the text cannot be read.
    """
    try:
        tokens = read_tokens(sql)
    except UnreadableSqlError:
        return None
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        if token.says("*") and (before is None or before.says("(", ",", ".", "ALL", "DISTINCT")):
            return None
        if token.says("(") and before is not None and before.says("IDENTIFIER"):
            return None
    return frozenset(token.text.lower() for token in tokens if token.is_name)


def called_functions(sql: str) -> frozenset[str]:
    """Collect the names of all functions that an expression calls, in lower case; parts are joined by dots.

    Raises:
        UnreadableSqlError: the text cannot be read.
    """
    tokens = read_tokens(sql)
    return frozenset(
        ".".join(parts).lower()
        for parts, _, after in _chains(tokens)
        if after < len(tokens) and tokens[after].says("(")
    )


def read_names(sql: str) -> frozenset[tuple[str, ...]]:
    """Collect the names in an expression that are not called: columns, fields and variables, but also keywords.

    Raises:
        UnreadableSqlError: the text cannot be read.
    """
    tokens = read_tokens(sql)
    return frozenset(
        parts for parts, _, after in _chains(tokens) if after == len(tokens) or not tokens[after].says("(")
    )


def _chains(tokens: tuple[Token, ...]) -> list[tuple[tuple[str, ...], int, int]]:
    """Return the names joined by dots, each with the index of its first token and the index after its last token."""
    chains: list[tuple[tuple[str, ...], int, int]] = []
    place = 0
    while place < len(tokens):
        if not tokens[place].is_name:
            place += 1
            continue
        first, parts = place, [tokens[place].text]
        while place + 2 < len(tokens) and tokens[place + 1].says(".") and tokens[place + 2].is_name:
            place += 2
            parts.append(tokens[place].text)
        place += 1
        chains.append((tuple(parts), first, place))
    return chains


def _lists_tables(tokens: tuple[Token, ...], first: int) -> bool:
    """Tell whether the name follows a comma in a FROM clause: the last clause that began at its depth is FROM."""
    if not tokens[first - 1].says(","):
        return False
    depth = tokens[first].depth
    for token in reversed(tokens[:first]):
        if token.depth < depth:
            return False
        if token.depth == depth and token.says("FROM", "SELECT", "WHERE", "ON", "BY", "HAVING", "USING"):
            return token.says("FROM")
    return False


_AFTER_A_TABLE = frozenset(
    {"WHERE", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "SEMI", "ANTI", "ON", "USING", "GROUP"}
    | {"ORDER", "SORT", "CLUSTER", "DISTRIBUTE", "HAVING", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT", "MINUS"}
    | {"LATERAL", "WINDOW", "TABLESAMPLE", "PIVOT", "UNPIVOT", "VERSION", "TIMESTAMP", "FOR", "SELECT", "QUALIFY"}
)


def _is_plain_alias(token: Token) -> bool:
    return token.kind == "word" and token.text.upper() not in _AFTER_A_TABLE
