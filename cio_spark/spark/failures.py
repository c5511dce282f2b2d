"""Says in one sentence what is wrong with a user's SQL: error class and expression, never a value of a row."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from cio_spark.errors import (
    CioSparkError,
    ConfigurationError,
    ExpressionError,
    RunCancelledError,
    SecondEvaluationError,
    TableError,
)

_ERROR_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]")
_HINTS = {
    "CAST_INVALID_INPUT": "use try_cast",
    "DIVIDE_BY_ZERO": "use try_divide",
    "ARITHMETIC_OVERFLOW": "use try_add, try_subtract or try_multiply, or a wider type",
    "NUMERIC_VALUE_OUT_OF_RANGE": "use a wider type or try_cast",
    "CANNOT_PARSE_TIMESTAMP": "use try_to_timestamp",
    "INVALID_ARRAY_INDEX": "use get or try_element_at",
    "DUPLICATED_MAP_KEY": "a map must not have a key twice; use array_distinct or map_from_entries of distinct keys",
}
ADVICE = "use try_cast, try_divide or another try_ function, or leave such rows out with source.where"
_OURS = re.compile(r"\[cio_spark\] (.*?) \[/cio_spark\]", re.DOTALL)
_EVALUATED_TWICE = (
    "Spark evaluated a wave's delivery a second time, as clustering or optimized writes may make it do, and cio_spark "
    "refused to send the wave twice; it is in doubt and goes again, under the same ids, with the next run: end the "
    "clustering of record_status first (cio-spark maintain, while no sync runs), and switch optimized writes off for it"
)
ONCE = "in source.query, which runs once per run"
NO_ROW_VALUE = (
    "is not a value of one row (it has an aggregate, a window function, or a generator such as explode); "
    f"compute it {ONCE}"
)
NO_STAR_HERE = "INVALID_USAGE_OF_STAR_OR_REGEX"
_NO_ROW_VALUE_CLASSES = ("MISSING_AGGREGATION", "MISSING_GROUP_BY", "UNSUPPORTED_GENERATOR")
_CANCELLED = re.compile(r"\[(?:SPARK_JOB_CANCELLED|OPERATION_CANCELED)\]|SparkException: Job \d+ cancelled ")
"""Texts by which Spark 4, Spark Connect and Spark 3.5 say that somebody has cancelled a job."""
_SHUT_DOWN = "cancelled because SparkContext was shut down"
"""Text by which Spark ends its jobs when the driver or the application ends: nobody has asked for that."""
_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_DENIED = (
    "AccessDenied",
    "Permission denied",
    "AccessControlException",
    "PERMISSION_DENIED",
    "INSUFFICIENT_PERMISSIONS",
    "Mkdirs failed",
    "Read-only file system",
)


def error_class(error: BaseException) -> str:
    """Return Spark's error class (`DIVIDE_BY_ZERO`), or the name of the exception's class."""
    for name in ("getCondition", "getErrorClass"):
        getter = getattr(error, name, None)
        if getter is not None:
            found = getter()
            if found:
                return str(found)
    match = _ERROR_CLASS.search(str(error))
    return match.group(1) if match else type(error).__name__


def analysis_problem(error: BaseException, columns: Sequence[str]) -> str:
    """Say what is wrong with a user's expression that Spark could not analyse.

    Args:
        error: Spark's AnalysisException or ParseException.
        columns: names of the existing columns, for the hint.
    """
    kind = error_class(error)
    parameters: dict[str, str] = {}
    getter = getattr(error, "getMessageParameters", None)
    if getter is not None:
        parameters = dict(getter() or {})
    if kind.startswith(("UNRESOLVED_COLUMN", "MISSING_COLUMN")):
        name = parameters.get("objectName", "?").replace("`", "")
        return unknown_column(name, columns)
    if kind.startswith("TABLE_OR_VIEW_NOT_FOUND"):
        return f"there is no table or view {parameters.get('relationName', '?').replace('`', '')}"
    if kind.startswith("UNRESOLVED_ROUTINE"):
        return f"function {parameters.get('routineName', '?').replace('`', '')} does not exist"
    if kind.startswith(_NO_ROW_VALUE_CLASSES):
        return NO_ROW_VALUE
    if kind == "AMBIGUOUS_REFERENCE":
        return _ambiguous(parameters.get("name", "").split(".")[-1].replace("`", ""), columns)
    if kind.startswith("PARSE_"):
        near = parameters.get("error", "").strip("'")
        return "is not a valid Spark SQL expression" + (f", near {near!r}" if near else "")
    detail = str(getattr(error, "desc", "") or "").split("\n")[0]
    detail = _ERROR_CLASS.sub("", detail).split("SQLSTATE")[0].strip(" .;")
    return f"Spark refuses it: {kind}" + (f" ({detail})" if detail else "")


def _ambiguous(name: str, columns: Sequence[str]) -> str:
    alike = [f"`{column}`" for column in columns if column.lower() == name.lower()]
    those = " and ".join(alike) if len(alike) > 1 else f"`{name}`, which there is more than one of"
    return f"names {those}: Spark cannot tell them apart, rename one in source.query or a view"


def unknown_column(name: str, columns: Sequence[str]) -> str:
    """Write the message `there is no column X; did you mean Y`."""
    if not columns:
        return f"there is no column `{name}`"
    close = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
    there = f"did you mean `{close[0]}`?" if close else "there are: " + ", ".join(sorted(columns)[:20])
    return f"there is no column `{name}`; {there}"


def _fragments(error: BaseException) -> list[str]:
    """Return the parts of the user's SQL that Spark names as the place of a run-time error."""
    getter = getattr(error, "getQueryContext", None)
    try:
        return [context.fragment() for context in getter()] if getter is not None else []
    except Exception:  # the context is optional: without it the message is only shorter
        return []


def marked(expression: str) -> str:
    """Write the text that Spark raises for an expression that fails on a row; it contains no value.

    `explain_failure` finds the text in Spark's error.

    Args:
        expression: configuration path and SQL of the expression.
    """
    return f"[cio_spark] {expression} fails on a row of the source; {ADVICE} [/cio_spark]"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes: Spark wraps an error that is raised in a task that writes."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = getattr(cause, "_cause", None) or cause.__cause__


def is_second_evaluation(error: BaseException) -> bool:
    """Tell whether a job failed because tasks refused to send what another stage had sent before them."""
    return any(SecondEvaluationError.__name__ in str(cause) for cause in _causes(error))


def explain_failure(error: BaseException, expressions: dict[str, str]) -> CioSparkError:
    """Make the error that a command shows when a Spark job failed.

    Args:
        error: what Spark raised.
        expressions: the user's expressions by configuration path, to name the one that failed.
    """
    if isinstance(error, CioSparkError):
        return error
    causes = list(_causes(error))
    text = "\n".join(map(str, causes))
    if ours := _OURS.search(text):
        return ExpressionError(ours[1])
    if is_second_evaluation(error):
        return SecondEvaluationError(_EVALUATED_TWICE)
    if _CANCELLED.search(text) and _SHUT_DOWN not in text:
        return RunCancelledError(
            "the Spark jobs of this run were cancelled (a notebook's Cancel, a job's time-out, Spark's own page); "
            "nothing is lost: the next run goes on from there"
        )
    if missing := _MISSING_MODULE.search(text):
        return ConfigurationError.of(
            "workers",
            f"must have the Python module {missing[1]}: bring cio-spark, and what it needs, to where tasks run "
            "(docs/deploy.md, docs/connect.md)",
        )
    kind = error_class(error)
    if any(word in text for word in _DENIED):
        return TableError(f"no permission to write the tables ({kind}): check the rights on the database or warehouse")
    for cause in causes:
        if told := _expression_that_failed(cause, expressions):
            return told
    return CioSparkError(f"Spark failed with {kind}; its log has the details, run again with --debug to see them")


def _expression_that_failed(error: BaseException, expressions: dict[str, str]) -> ExpressionError | None:
    kind = error_class(error)
    short = kind.split(".")[0]
    fragments = _fragments(error) or re.findall(r"== SQL[^=]*==\n(.*?)\n\^", str(error), flags=re.DOTALL)
    if short not in _HINTS and not fragments:
        return None
    where = next(
        (path for path, sql in expressions.items() for part in fragments if part.strip("()") in sql),
        "an expression of the configuration",
    )
    shown = f" `{fragments[0]}`" if fragments else ""
    hint = _HINTS.get(short, "mend the expression, or leave such rows out with source.where")
    return ExpressionError(f"{where}:{shown} fails on a row of the source ({kind}): {hint}")


def configuration_error(path: str, error: BaseException, columns: Sequence[str]) -> ConfigurationError:
    """Make the configuration error for an expression at `path`."""
    return ConfigurationError.of(path, analysis_problem(error, columns))
