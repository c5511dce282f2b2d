"""Tests with random conditions that `source.where` keeps the same rows as Spark's own filter."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.source.where import keep
from cio_spark.spark.expression_types import type_of

ROWS = r"""
SELECT *, named_struct('end', end) AS period FROM VALUES
  (1, 5, 'pro', true, 1, 3, 'x AND y', 7, false),
  (2, 5, 'free', true, NULL, 1, 'it''s', NULL, true),
  (3, NULL, NULL, false, 2, NULL, NULL, 4, NULL),
  (4, 1, 'C:\\', NULL, 5, 5, ' OR ', 0, true),
  (5, 4, 'END', false, 0, 2, 'end', 5, false)
AS t(id, end, plan, vip, or, between, `a b`, `a.b`, not)
"""
NUMBERS = st.sampled_from(["end", "`end`", "period.end", "`or`", "between", "`between`", "`a.b`", "id", "t.end"])
TEXTS = st.sampled_from(["plan", "`a b`", "upper(plan)"])
FLAGS = st.sampled_from(["vip", "`not`", "id = end", "`a.b` IS NULL"])
NUMBER = st.one_of(NUMBERS, st.integers(-1, 6).map(str), st.just("CASE WHEN vip THEN end ELSE 3 END"))
TEXT = st.one_of(
    TEXTS, st.sampled_from(["'pro'", r"r'C:\'", "'x AND y'", r"'it\'s'", '" OR "', "'end'", "'('", "'--'", "NULL"])
)
COMPARED = st.sampled_from(["=", "==", "<>", "!=", "<", "<=", ">", ">=", "<=>"])
LEAVES = st.one_of(
    FLAGS,
    st.builds("{} {} {}".format, NUMBER, COMPARED, NUMBER),
    st.builds("{} {} {}".format, TEXT, COMPARED, TEXT),
    st.builds("{} BETWEEN {} AND {}".format, NUMBER, NUMBER, NUMBER),
    st.builds("{} NOT BETWEEN {} AND {}".format, NUMBERS, NUMBER, NUMBER),
    st.builds("{} IN ({}, {})".format, TEXTS, TEXT, TEXT),
    st.builds("{} IS NOT NULL".format, st.one_of(NUMBERS, TEXTS)),
    st.builds("CASE WHEN {} THEN end > {} ELSE vip END".format, FLAGS, NUMBER),
    st.builds("CASE {} WHEN 5 THEN vip WHEN end THEN `not` END".format, NUMBERS),
    st.builds("{} LIKE '%{}%'".format, TEXTS, st.sampled_from(["r", "AND", "e"])),
)


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    word = st.sampled_from(["AND", "and", "AND", "OR", "AND -- OR\n", "/* AND */ OR"])
    return st.one_of(
        st.builds("{} {} {}".format, inner, word, inner),
        st.builds("({} {} {})".format, inner, word, inner),
        st.builds("NOT {}".format, inner),
        st.builds("NOT ({})".format, inner),
    )


SEVERAL = st.recursive(LEAVES, joined, max_leaves=4)
CONDITIONS = st.one_of(SEVERAL, st.builds("{} AND {} OR {}".format, LEAVES, LEAVES, LEAVES), joined(SEVERAL))


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    return spark.sql(ROWS).localCheckpoint()


def is_condition(rows: DataFrame, sql: str) -> bool:
    try:
        return type_of(rows, sql).typeName() == "boolean"
    except (AnalysisException, ParseException):
        return False


def kept(filtered: list[DataFrame]) -> dict[int, set[int]]:
    """Return the ids in each of these frames, found in one Spark job."""
    numbered = [rows.select("id", F.lit(number).alias("number")) for number, rows in enumerate(filtered)]
    found: dict[int, set[int]] = {number: set() for number in range(len(filtered))}
    for row in reduce(DataFrame.union, numbered).collect():
        found[row["number"]].add(row["id"])
    return found


# Shrinking would take minutes here, so the conditions that differ are shown as they are
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(conditions=st.lists(CONDITIONS, min_size=25, max_size=25, unique=True))
def test_a_condition_keeps_what_sparks_own_filter_keeps(rows: DataFrame, conditions: list[str]) -> None:
    read = rows.alias("t")
    good = [sql for sql in conditions if is_condition(read, sql)]
    if good:
        ours, sparks = [keep(read, sql) for sql in good], [read.where(sql) for sql in good]
        assert dict(zip(good, kept(ours).values(), strict=True)) == dict(zip(good, kept(sparks).values(), strict=True))


def test_columns_called_like_variables_of_lambdas_are_columns(spark: SparkSession) -> None:
    names = [*[f"x_{number}" for number in range(300)], "cio_spark_nothing", "_", "x"]
    rows = spark.range(1).select("id", *[F.lit(7).alias(name) for name in names])
    where = "abs(greatest(" + ", ".join(names) + ")) = 7 AND abs(least(" + ", ".join(names) + ")) = 7 AND abs(id) = 0"
    assert keep(rows, where).count() == 1


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("plan = 'pro' AND end > 3 OR vip", [1, 2]),
        ("vip AND period.end > 3 OR id = 3", [1, 2, 3]),
        ("CASE WHEN end > 3 THEN vip ELSE end = 1 END AND id < 4 OR id = 4", [1, 2, 4]),
        (r"plan = r'C:\' AND id = 4 OR `a b` = 'x AND y'", [1, 4]),
        ("id = 5 -- AND\n OR vip AND /* OR */ end IS NOT NULL", [1, 2, 5]),
        ("id BETWEEN 1 AND end AND vip OR upper(plan) = 'END'", [1, 2, 5]),
    ],
)
def test_a_column_called_end_a_raw_text_and_comments_do_not_drop_rows(
    rows: DataFrame, where: str, ids: list[int]
) -> None:
    assert sorted(row["id"] for row in keep(rows, where).collect()) == ids
