"""Provides what the pages speak of: a database `shop`, the configuration, and a stand-in that commands send to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from doc_pages import ROOT
from doc_texts import statements_of
from pyspark.sql import SparkSession

from cio_spark.standin import StandIn

SHOP = """
CREATE TABLE shop.orders (
  order_id BIGINT, customer_id STRING, status STRING, amount DECIMAL(10, 2), store STRING, ordered_at TIMESTAMP,
  updated_at TIMESTAMP
) USING DELTA;
INSERT INTO shop.orders
SELECT id, if(id = 4720, NULL, concat('c', id % 50)), if(id % 10 = 9, 'open', 'paid'), id % 97, 'Graz',
  timestamp_seconds(1769800000 + id), timestamp_seconds(1769800000 + id) FROM range(4700, 4900);
CREATE TABLE shop.customers (
  customer_id STRING, email STRING, first_name STRING, plan STRING, plan_end DATE, signed_up TIMESTAMP,
  lifetime_value DOUBLE, updated_at TIMESTAMP
) USING DELTA;
INSERT INTO shop.customers
SELECT concat('c', id), concat('c', id, '@example.com'), 'Ada', 'pro', NULL, timestamp_seconds(1700000000 + id), id,
  timestamp_seconds(1769800000 + id) FROM range(50)
"""
"""The tables that `conf/syncs/` reads. One order has no customer, so that there is a dead letter."""


@dataclass
class DocWorld:
    """Holds a folder as a reader of the pages has it, with tables and a stand-in.

    Attributes:
        spark: the session.
        folder: the current folder of commands: it has `conf/`.
        warehouse: folder of the tables.
        api: the stand-in.
    """

    spark: SparkSession
    folder: Path
    warehouse: Path
    api: StandIn

    @classmethod
    def build(cls, spark: SparkSession, folder: Path, api: StandIn) -> DocWorld:
        """Make the world in an empty folder; databases of other tests are taken from the session's catalog.

        The tables of other tests stay where they are, for their folders are no part of the catalog.
        """
        warehouse = folder / ".cio-spark" / "warehouse"
        shutil.copytree(ROOT / "conf", folder / "conf")
        for database in ("shop", "customerio", "customerio_test"):
            spark.sql(f"DROP DATABASE IF EXISTS {database} CASCADE")
            spark.sql(f"CREATE DATABASE {database} LOCATION '{warehouse / database}'")
        return cls(spark, folder, warehouse, api)

    def settings(self) -> dict[str, str]:
        """Return the environment variables of a reader who has started the stand-in; a base address has its port."""
        return {
            "CUSTOMERIO_API_KEY": self.api.api_key,
            "CUSTOMERIO_BASE_URL": self.api.url,
            "CIO_SPARK_WAREHOUSE": str(self.warehouse),
            "COLUMNS": "200",
        }

    def enter(self, patch: pytest.MonkeyPatch) -> DocWorld:
        """Make the folder the current one, and set the environment variables, until the patch is undone."""
        patch.chdir(self.folder)
        for name, value in self.settings().items():
            patch.setenv(name, value)
        return self

    def run_sql(self, text: str) -> None:
        """Run the statements of an SQL block; a catalog in a table's name is left out, for there is none here."""
        for statement in statements_of(text):
            self.spark.sql(statement.replace("main.", "")).collect()

    def received(self) -> list[dict[str, Any]]:
        """Return what the stand-in received since it was cleared, without message ids, in no special order."""
        messages = [dict(message["payload"]) for message in self.api.received.all()]
        for message in messages:
            del message["messageId"]
        return in_order(messages)


def in_order(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages in an order that depends on nothing but the messages."""
    return sorted(messages, key=lambda message: json.dumps(message, sort_keys=True))
