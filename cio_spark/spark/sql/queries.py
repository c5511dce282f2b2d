"""Says what is wrong with a text that should be a query: it must be one statement that only reads."""

from __future__ import annotations

from cio_spark.spark.sql.tokens import UnreadableSqlError, read_tokens

_QUERIES = ("SELECT", "WITH", "FROM", "TABLE", "VALUES")
_SCRIPTS = ("MAP", "REDUCE")
_NOT_ONE = "must be one SELECT, found several statements or brackets that do not match"
_NOT_READING = "must be a SELECT that only reads"
_SCRIPT = "must not run a script (TRANSFORM … USING); only a SELECT that reads is run"
_WORDS_BEHIND_A_VALUE = (
    *(
        "AS",
        "IS",
        "NOT",
        "IN",
        "LIKE",
        "ILIKE",
        "RLIKE",
        "REGEXP",
        "BETWEEN",
        "AND",
        "OR",
        "THEN",
        "ELSE",
        "END",
        "DIV",
    ),
    *("COLLATE", "WHEN", "ASC", "DESC"),
)
_OPERATORS = ("=", "==", "<", ">", "<=", ">=", "<=>", "<>", "!=", "+", "-", "/", "%", "||", ")", ",", ".", "::", "[")


def query_problem(sql: str) -> str | None:
    """Return the reason why a text is not a query that only reads; None if it may be one.

    Spark has the last word: the code that runs the query puts it into brackets, where Spark accepts a query and nothing
    else.

    Args:
        sql: text of `source.query`.
    """
    try:
        tokens = read_tokens(without_semicolon(sql))
    except UnreadableSqlError:
        return None
    first = next((token for token in tokens if not token.says("(")), None)
    if first is None or not first.says(*_QUERIES, *_SCRIPTS):
        return _NOT_READING
    if any(token.depth < 0 or token.says(";") for token in tokens):
        return _NOT_ONE
    for place, token in enumerate(tokens[:-1]):
        after = tokens[place + 1]
        if token.says("USING") and after.kind == "text":
            return _SCRIPT
        if token.says("INSERT", "MERGE") and after.says("INTO", "OVERWRITE", "TABLE"):
            return f"{_NOT_READING}, found {token.text.upper()}"
    return None


def without_semicolon(sql: str) -> str:
    """Remove the semicolons that end a statement, and the comments after them."""
    try:
        tokens = read_tokens(sql)
    except UnreadableSqlError:
        return sql
    end = len(sql)
    for token in reversed(tokens):
        if not token.says(";"):
            break
        end = token.start
    return sql[:end]


def has_subquery(sql: str) -> bool:
    """Tell whether an expression contains a subquery, which reads rows of its own.

    Args:
        sql: an expression. The answer for a text that cannot be read is True.
    """
    try:
        tokens = read_tokens(sql)
    except UnreadableSqlError:
        return True
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        after = tokens[place + 1] if place + 1 < len(tokens) else None
        if before is None or not before.says("(") or not token.says(*_QUERIES, *_SCRIPTS):
            continue
        # In Spark a column may have the name `select`, and the functions `values` and `table` are not meant here
        if (
            after is not None
            and not after.says(*_OPERATORS, *_WORDS_BEHIND_A_VALUE)
            and not (after.says("(") and token.says("TABLE"))
        ):
            return True
    return False
