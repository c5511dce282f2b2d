"""Tests that each recipe of docs/cookbook.md makes and sends exactly the messages that the page shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from doc_blocks import blocks_of
from doc_pages import ROOT
from doc_world import DocWorld, in_order
from pyspark.sql import SparkSession

from cio_spark.config import ApiKey, SyncConfig, load_config
from cio_spark.pipeline import run_sync
from cio_spark.pipeline.checks import prepare_and_validate
from cio_spark.results import Tables
from cio_spark.source import open_source
from cio_spark.spark.fixed_settings import fix_settings
from cio_spark.standin import StandIn

PAGE = ROOT / "docs" / "cookbook.md"


@dataclass(frozen=True)
class Recipe:
    """Is a recipe: the SQL that makes its table, empty if an earlier one has made it, the sync, and the messages."""

    heading: str
    sql: str
    sync: str
    messages: str

    @property
    def expected(self) -> list[dict[str, Any]]:
        """Messages that the page shows, in the order of `in_order`."""
        return in_order(json.loads(line) for line in self.messages.splitlines())


def recipes() -> list[Recipe]:
    """Return the recipes of the page; a block that is in none of them raises an error."""
    blocks = blocks_of(PAGE)
    found = []
    while blocks:
        sql = blocks.pop(0).text if blocks[0].language == "sql" else ""
        sync, messages = blocks.pop(0), blocks.pop(0)
        assert (sync.language, messages.language) == ("yaml", "json"), str(sync)
        found.append(Recipe(sync.heading, sql, sync.text, messages.text))
    return found


RECIPES = recipes()


@pytest.fixture(scope="module")
def world(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocWorld]:
    with StandIn() as api:
        world = DocWorld.build(spark, tmp_path_factory.mktemp("cookbook"), api)
        for recipe in RECIPES:
            world.run_sql(recipe.sql)
        yield world


def load(world: DocWorld, recipe: Recipe, folder: Path) -> SyncConfig:
    file = folder / "recipe.yml"
    file.write_text(recipe.sync, encoding="utf-8")
    return load_config(file, overrides=[f"api.base_url={world.api.url}", "batch.enable_monitoring=false"])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.heading)
def test_the_rows_of_a_recipe_become_the_messages_that_the_page_shows(
    world: DocWorld, recipe: Recipe, tmp_path: Path
) -> None:
    config = load(world, recipe, tmp_path)
    tables = Tables(world.spark, config.tables, world.warehouse)
    with fix_settings(world.spark, config.payload.time_zone):
        rows = open_source(world.spark, config.source, tables.attach_source).rows
        found = prepare_and_validate(config, rows).select("error_code", "payload").collect()
    assert [row["error_code"] for row in found if row["error_code"]] == []
    assert in_order(json.loads(row["payload"]) for row in found) == recipe.expected


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.heading)
def test_a_recipe_sends_the_messages_that_the_page_shows(world: DocWorld, recipe: Recipe, tmp_path: Path) -> None:
    config = load(world, recipe, tmp_path)
    world.api.clear()
    result = run_sync(config, spark=world.spark, api_key=ApiKey(world.api.api_key), warehouse=world.warehouse)
    books, count = result.books, len(recipe.expected)
    assert (result.exit_status, books.survey.source_rows, books.delivery.accepted) == (0, count, count)
    assert world.received() == recipe.expected
