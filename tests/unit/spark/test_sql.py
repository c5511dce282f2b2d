"""Tests that users' SQL is read by a parser.

Quotes, comments and columns named like keywords do not mislead it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from cio_spark.spark import sql


@pytest.mark.parametrize(
    ("condition", "pieces"),
    [
        ("plan = 'pro' AND end > 3 OR vip", 2),  # only Spark can tell that the condition must not be cut here
        ("a = 1 AND b = 2 AND (c = 3 AND d = 4)", 3),
        (r"a = r'C:\' AND b = 1", 2),
        (r"a = 'it\'s AND so' AND b = 1", 2),
        ("a = 'it''s AND so' AND `b AND c` = 1", 2),
        ("a = 1 /* AND /* nested AND */ */ AND b = 1 -- AND c", 2),
        ("`and` = 1 AND größe > 2", 2),
        ('a = "x AND y"', 1),
        ("a = 'unfinished AND b = 1", 1),
        (" AND ".join(["a = 1"] * (sql.AND_CUTS + 2)), 1),
    ],
)
def test_a_condition_may_be_cut_only_at_an_and_outside_of_brackets_texts_and_comments(
    condition: str, pieces: int
) -> None:
    cuts = sql.and_cuts(condition)
    assert len(cuts) + 1 == pieces
    assert {condition[start:end] for start, end in cuts} <= {"AND"}


@pytest.mark.parametrize(
    ("part", "columns", "constants"),
    [
        ("end > 3", ["`end`"], ["3"]),
        ("period.end IS NOT NULL", ["`period`.`end`"], []),
        ("`a.b` == 'x'", ["`a.b`"], ["'x'"]),
        ("a <=> b", ["`a`", "`b`"], []),
        ("NOT (a BETWEEN 1 AND 2 OR `or` IN (1, 2)) /* x */", ["`a`", "`or`"], ["1", "2", "1", "2"]),
        ("vip", ["`vip`"], []),
        ("name LIKE 'x%'", ["`name`"], ["'x%'"]),
        ("2021 >= year", ["`year`"], ["2021"]),
    ],
)
def test_a_part_of_comparisons_is_read_as_columns_and_constants(
    part: str, columns: list[str], constants: list[str]
) -> None:
    found = sql.read_comparisons(part)
    assert found is not None
    assert [column for comparison in found for column in comparison.columns] == columns
    assert [constant for comparison in found for constant in comparison.constants] == constants


@pytest.mark.parametrize(
    "part",
    [
        "upper(a) = 'x'",
        "a + 1 > 2",
        "cast(a AS INT) = 1",
        "a LIKE b",
        r"a LIKE 'x\%'",
        "a LIKE 'x!%' ESCAPE '!'",
        "a IN (SELECT 1)",
        "CASE WHEN end > 3 THEN true END",
        "a RLIKE 'x'",
        "a[1] = 2",
        "a = b = c",
        "a = 1, b = 2",
        "a = 'unfinished",
        "and = 1",
    ],
)
def test_a_part_with_anything_that_may_fail_or_be_misread_is_no_comparison(part: str) -> None:
    assert sql.read_comparisons(part) is None


@pytest.mark.parametrize(
    "expression",
    [
        "date'today'",
        "timestamp 'now'",
        "TIMESTAMP_NTZ'Tomorrow UTC'",
        "upper(current_user())",
        "`now`()",
        "now ( )",
        "unix_timestamp()",
        "reflect('java.util.UUID', 'randomUUID')",
        "java_method('a', 'b')",
        "current_timezone()",
        "current_schema()",
        "input_file_name()",
        "input_file_block_start()",
        "concat(a, session_user())",
        "'unfinished",
    ],
)
def test_what_changes_by_itself_is_found(expression: str) -> None:
    assert sql.find_changing_parts(expression).surely


@pytest.mark.parametrize(
    "word", ["current_date", "current_user", "user", "session_user", "localtimestamp", "_metadata"]
)
def test_a_word_that_is_a_function_without_brackets_changes_unless_it_is_a_column(word: str) -> None:
    found = sql.find_changing_parts(f"concat({word}, 'x')")
    assert (found.surely, found.words) == (False, frozenset({word}))
    assert sql.find_changing_parts(f"filter(them, {word} -> {word} = 'x')").words <= {"_metadata"} - {word}
    assert not sql.find_changing_parts(f"t.{word}").words


@pytest.mark.parametrize(
    "expression",
    ["now", "`uuid`", "'now()'", "nowadays(a)", "rand", "a -- now()", "unix_timestamp(a)", "date(a)", "'x'"],
)
def test_a_column_or_text_called_like_a_function_does_not_change(expression: str) -> None:
    assert sql.find_changing_parts(expression) == sql.ChangingParts(False)


@pytest.mark.parametrize(
    ("expression", "beside"),
    [
        ("'now'", ()),
        ("at > 'now'", ("at",)),
        ("coalesce(at, 'today')", ("at",)),
        ("upper('now') = a", ("a",)),
        ("cast('now' AS STRING)", ()),
        ("cast('now' AS TIMESTAMP)", None),
        ("'today'::date", None),
        ("to_timestamp('now')", None),
    ],
)
def test_a_text_such_as_now_is_a_time_by_what_it_stands_beside(expression: str, beside: tuple[str, ...] | None) -> None:
    assert sql.find_changing_parts(expression).has_special_times
    assert sql.string_contexts(expression) == beside


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("id IN (SELECT id FROM vip)", True),
        ("EXISTS (TABLE vip)", True),
        ("id IN (WITH a AS (SELECT 1) TABLE a)", True),
        ("id IN (VALUES (1))", True),
        ("'unfinished", True),
        ("(select > 1)", False),
        ("note = '(SELECT 1)' AND `(select x)` = 1", False),
        ("greatest(table, 1)", False),
    ],
)
def test_a_subquery_is_told_from_a_column_called_select(expression: str, found: bool) -> None:
    assert sql.has_subquery(expression) is found


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1;",
        "-- all\nWITH x AS (SELECT 1) SELECT * FROM x -- ;",
        "FROM orders SELECT id",
        "FROM orders |> SELECT id",
        "TABLE orders",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SELECT insert, `merge` FROM orders WHERE note = 'INSERT INTO'",
        "SELECT transform(items, x -> x + 1) FROM a JOIN b USING (id)",
    ],
)
def test_a_query_that_reads_has_no_problem(query: str) -> None:
    assert sql.query_problem(query) is None


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "only reads, found INSERT"),
        ("FROM orders INSERT OVERWRITE t SELECT id", "only reads, found INSERT"),
        ("INSERT INTO t VALUES (1)", "only reads"),
        ("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", "only reads"),
        ("CREATE TABLE t AS SELECT 1", "only reads"),
        ("BEGIN SELECT 1; END", "only reads"),
        ("SHOW TABLES", "only reads"),
        ("SELECT 1; DROP TABLE t", "several statements"),
        ("SELECT 1) AS a CROSS JOIN (SELECT 2", "brackets"),
        ("SELECT TRANSFORM(id) USING 'sh -c x' FROM orders", "must not run a script"),
    ],
)
def test_a_text_that_does_more_than_read_is_named(query: str, sentence: str) -> None:
    assert sentence in (sql.query_problem(query) or "")


def test_names_of_tables_are_read_with_their_quotes_and_dots() -> None:
    found = sql.table_names("SELECT a.id FROM `shop-x`.`my.table` AS a, shop . 2024_orders JOIN `x``y` ON 'no.name'")
    assert [name.parts for name in found if name.follows_from] == [
        ("shop-x", "my.table"),
        ("shop", "2024_orders"),
        ("x`y",),
    ]
    assert sql.identifier_parts("`shop-x`.`my-table`") == ("shop-x", "my-table")
    assert sql.identifier_parts("a b") is None
    assert sql.quoted("x`y", "b") == "`x``y`.`b`"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("updated_at", ("updated_at", False, None)),
        ("updated_at DESC NULLS LAST -- newest", ("updated_at", True, False)),
        ("desc", ("desc", False, None)),
        ("period.desc", ("period.desc", False, None)),
        ("`a desc` asc", ("`a desc`", False, None)),
        ("concat(a, ' DESC')", ("concat(a, ' DESC')", False, None)),
        ("end nulls first", ("end", False, True)),
    ],
)
def test_a_sort_expression_is_its_value_and_the_words_behind_it(text: str, key: tuple[str, bool, bool | None]) -> None:
    assert sql.read_sort_key(text) == sql.SortKey(*key)


def test_words_that_may_be_columns_are_all_found_and_a_star_means_every_column() -> None:
    assert sql.words_in("concat(`First Name`, Period.end, 'text') * 2") == frozenset(
        {"concat", "first name", "period", "end"}
    )
    assert sql.words_in("to_json(struct(*))") is None
    assert sql.words_in("struct(t.*)") is None


def test_workers_do_not_load_the_parser() -> None:
    loaded = "import sys, cio_spark.delivery.engine; sys.exit('sqlglot' in sys.modules)"
    subprocess.run([sys.executable, "-c", loaded], check=True)


@pytest.mark.parametrize(
    "word", ["show", "call", "explain", "fetch", "execute", "rename", "optimize", "prepare", "vacuum"]
)
def test_a_column_that_is_called_like_a_command_hides_nothing_behind_it(word: str) -> None:
    assert sql.words_in(f"{word} || ' ' || episode") == frozenset({word, "episode"})
    assert sql.find_changing_parts(f"{word} || current_user()").surely
    assert sql.has_subquery(f"{word} IN (SELECT t FROM hot)")
    assert len(sql.and_cuts(f"{word} = 'Lost' AND episode > 3")) == 1


@pytest.mark.parametrize("word", ["from", "values", "map", "table", "with", "select"])
@pytest.mark.parametrize(
    "expression", ["cast({} AS STRING)", "if({} IS NULL, 1, 2)", "if({} LIKE 'x', 1, 2)", "({} IN (1))"]
)
def test_a_column_that_is_called_like_the_beginning_of_a_query_is_none(word: str, expression: str) -> None:
    assert not sql.has_subquery(expression.format(word))
