"""Expressions are tried on the rows first: what Spark would fail on is counted, what it would not is left alone."""

from __future__ import annotations

import re

import pytest
from pyspark.sql import DataFrame, SparkSession

from cio_spark.errors import ExpressionError
from cio_spark.source import Snapshot, try_condition, try_expressions

ROWS = """
SELECT * FROM VALUES
  ('o1', '17', 4, timestamp '2026-01-01', array(1, 2), map('a', 1)),
  ('o2', 'seventeen', 0, timestamp '2026-01-02', array(1), map('b', 2)),
  ('o3', NULL, NULL, NULL, NULL, NULL)
AS t(id, text, number, at, list, pairs)
"""


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    return spark.sql(ROWS).cache()


@pytest.mark.parametrize(
    ("sql", "failing"),
    [
        ("cast(text AS INT)", 1),
        ("text + 1", 1),
        ("10 / number", 1),
        ("number + 2147483647", 1),
        ("to_date(text, 'dd')", 1),
        ("list[1]", 1),
        ("named_struct('deep', array(cast(text AS DOUBLE)))", 1),
        ("assert_true(number = 4)", 2),
        ("if(number = 0, raise_error('no'), at)", 1),
        ("coalesce(number, 'none')", 1),
    ],
)
def test_an_expression_that_fails_on_rows_is_named_with_their_number(rows: DataFrame, sql: str, failing: int) -> None:
    with pytest.raises(Exception, match=r"\w"):  # Spark would fail, and say so in its logs
        rows.selectExpr(f"{sql} AS x").collect()
    told = f"payload.event: `{sql}` fails on {failing} row{'s' if failing > 1 else ''} of the source; use try_cast"
    with pytest.raises(ExpressionError, match=re.escape(told)):
        try_expressions(rows, {"payload.event": sql})


@pytest.mark.parametrize(
    "sql",
    [
        "text",
        "`number`",
        "concat(id, '-', upper(text))",
        "try_cast(text AS INT)",
        "try_divide(10, number)",
        "if(number = 0, 0, 10 / number)",
        "coalesce(cast(number AS STRING), 'none')",
        "transform(list, one -> one * 2)",
        "pairs",
        "cast(id AS BINARY)",
        "NULL",
        "at - timestamp '2026-01-01'",
    ],
)
def test_an_expression_that_fails_on_no_row_passes(rows: DataFrame, sql: str) -> None:
    rows.selectExpr(f"{sql} AS x").collect()
    try_expressions(rows, {"payload.event": sql})


def test_every_failing_expression_is_named_also_where_they_have_a_part_in_common(rows: DataFrame) -> None:
    with pytest.raises(ExpressionError) as caught:
        try_expressions(rows, {"a": "cast(text AS INT) + 1", "b": "cast(text AS INT) * 2", "c": "upper(text)"})
    assert str(caught.value).startswith(
        "a: `cast(text AS INT) + 1` fails on 1 row of the source; b: `cast(text AS INT)"
    )
    assert "c:" not in str(caught.value)


def test_expressions_that_cannot_fail_need_no_pass_over_the_rows(spark: SparkSession) -> None:
    broken = spark.sql("SELECT raise_error('read') AS a, 'x' AS b FROM range(1)")
    try_expressions(broken, {"payload.event": "a", "payload.user_id": "concat(`b`, ' of raise_error()', lower(a))"})


def tried(rows: DataFrame, where: str) -> None:
    try_condition(Snapshot(rows.where(where), rows, "rows", 0, repeatable=True), where)


@pytest.mark.parametrize(
    ("where", "blamed"),
    [
        ("cast(text AS INT) > 1", "cast(text AS INT) > 1"),
        ("text > 1", "text > 1"),
        ("id = 'o2' AND cast(text AS INT) > 1", "cast(text AS INT) > 1"),
        ("id = 'o1' OR cast(text AS INT) > 1", "id = 'o1' OR cast(text AS INT) > 1"),
        ("number >= 0 AND 10 / number > 2 AND abs(number) < 5", "(10 / number > 2) AND (abs(number) < 5)"),
        ("number BETWEEN 0 AND text", "number BETWEEN 0 AND text"),
    ],
)
def test_the_part_of_a_condition_that_fails_on_a_row_is_named(rows: DataFrame, where: str, blamed: str) -> None:
    with pytest.raises(Exception, match=r"\w"):
        rows.where(where).collect()
    with pytest.raises(ExpressionError, match=re.escape(f"source.where: `{blamed}` fails on 1 row of the source")):
        tried(rows, where)


@pytest.mark.parametrize(
    "where",
    [
        "id = 'o1' AND cast(text AS INT) > 1",
        "text RLIKE '^[0-9]+$' AND cast(text AS INT) > 1",
        "at = '2026-01-01' AND id LIKE 'o%' AND number + 2147483640 > 0",
        "id IN ('o1', 'o3') AND text IS NOT NULL AND text + 1 > 1",
        "at < current_timestamp() AND number <> 0 AND 10 / number > 2",
        "number IN (SELECT id FROM range(9))",
        "text = ' AND ' AND id = 'a OR b'",
    ],
)
def test_a_condition_that_fails_on_no_row_it_is_asked_of_passes(rows: DataFrame, where: str) -> None:
    rows.where(where).collect()
    tried(rows, where)


def test_a_condition_of_plain_comparisons_needs_no_pass_over_the_rows(spark: SparkSession) -> None:
    broken = spark.sql("SELECT raise_error('read') AS text, cast(raise_error('read') AS INT) AS number FROM range(1)")
    tried(broken, "text = 'a' AND number >= 3 AND text IN ('b', 'c') AND number < 2 + 5 AND text IS NOT NULL")
