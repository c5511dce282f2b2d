"""Tests that `source.query` reads and does nothing else, even when it is only checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cio_spark.config.sections import SourceSection, TablesSection
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.results import Tables
from cio_spark.source import open_source
from cio_spark.source.reader import Snapshot


@pytest.fixture(scope="module")
def target(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a table that a query must not write to, and return its folder."""
    folder = tmp_path_factory.mktemp("query") / "target"
    spark.sql("SELECT '1' AS id").write.format("delta").save(str(folder))
    return folder


def opened(spark: SparkSession, target: Path, query: str) -> Snapshot:
    tables = Tables(spark, TablesSection(), target.parent)
    return open_source(spark, SourceSection(query=query.format(f"delta.`{target}`")), tables.attach_source)


@pytest.mark.parametrize(
    "query",
    [
        "WITH x AS (SELECT '2' AS id) INSERT INTO {0} SELECT * FROM x",
        "FROM {0} INSERT INTO {0} SELECT id",
        "FROM {0} INSERT INTO {0} SELECT id INSERT INTO {0} SELECT id",
        "WITH x AS (SELECT 1) DELETE FROM {0}",
        "WITH x AS (SELECT 1) UPDATE {0} SET id = '2'",
        "WITH x AS (SELECT '2' AS id) MERGE INTO {0} t USING x ON t.id = x.id WHEN NOT MATCHED THEN INSERT *",
        "INSERT OVERWRITE {0} SELECT '2'",
        "TRUNCATE TABLE {0}",
        "SELECT 1; INSERT INTO {0} SELECT '2'",
        "SELECT '1' AS id) INSERT INTO {0} (SELECT '2'",
        "BEGIN INSERT INTO {0} SELECT '2'; END",
        "EXPLAIN SELECT 1",
        "SELECT TRANSFORM(id) USING 'cat' FROM {0}",
    ],
)
def test_a_query_that_does_more_than_read_is_refused_and_nothing_is_written(
    spark: SparkSession, target: Path, query: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(spark, target, query)
    (problem,) = caught.value.problems
    assert (problem.path, caught.value.exit_status) == ("source.query", ExitStatus.CONFIGURATION_ERROR)
    assert [file.name for file in (target / "_delta_log").glob("*.json")] == ["00000000000000000000.json"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM {0};",
        "WITH x AS (SELECT id FROM {0}) SELECT * FROM x -- the end",
        "FROM {0} SELECT id",
        "(SELECT id FROM {0}) UNION (SELECT id FROM {0})",
        "SELECT id FROM {0} ORDER BY id LIMIT 1 /* one */ ; ;",
    ],
)
def test_a_query_that_reads_is_run(spark: SparkSession, target: Path, query: str) -> None:
    assert [row["id"] for row in opened(spark, target, query).rows.collect()] == ["1"]
