"""Tests that expressions are tried on the rows first.

Rows on which Spark would fail are counted; expressions on which it would not fail are left alone.
"""

from __future__ import annotations

import re

import pytest
from pyspark.sql import DataFrame, SparkSession

from cio_spark.errors import ExpressionError
from cio_spark.source import try_expressions

ROWS = """
SELECT * FROM VALUES
  ('o1', '17', 4, timestamp '2026-01-01', array(1, 2), map('a', 1)),
  ('o2', 'seventeen', 0, timestamp '2026-01-02', array(1), map('b', 2)),
  ('o3', NULL, NULL, NULL, NULL, NULL)
AS t(id, text, number, at, list, pairs)
"""


@pytest.fixture(scope="module")
def rows(either_way: SparkSession) -> DataFrame:
    rows = either_way.sql(ROWS).localCheckpoint()
    return rows.withColumn("int", rows.id)


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
        ("int(text)", 1),  # a column has this name too
        ("`int`(text)", 1),
        ("number | text", 1),
        ("concat(list, array(text))", 1),
        ("cast(text AS INT) + cast(text AS INT)", 1),
        ("cast(text AS INT) BETWEEN 1 AND 3", 1),
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


def test_a_map_that_cannot_be_built_is_named(rows: DataFrame) -> None:
    # Spark's map builder raises an error that no function catches, on the row after the one that failed
    with pytest.raises(ExpressionError, match=r"^b: .*fails on .* of the source; use try_cast"):
        try_expressions(rows.union(rows), {"a": "length(text)", "b": "map(id, 1, id, 2)"})


def test_expressions_that_cannot_fail_need_no_pass_over_the_rows(spark: SparkSession) -> None:
    broken = spark.sql("SELECT raise_error('read') AS a, 'x' AS b FROM range(1)")
    try_expressions(broken, {"payload.event": "a", "payload.user_id": "concat(`b`, ' of raise_error()', a)"})
