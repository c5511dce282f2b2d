"""Provides a source table with a change feed, and every kind of change that users make to one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

# The payload of an identify sync of the people of a `ChangingSource`
PEOPLE: dict[str, Any] = {
    "call": "identify",
    "record_id": "id",
    "user_id": "person",
    "timestamp": "at",
    "traits": {"include": ["plan"]},
}


@dataclass
class ChangingSource:
    """Changes a Delta table of people: `id`, `person`, `plan`, `active` and `at`.

    Attributes:
        spark: the session.
        path: folder of the table.
        feed: whether the table has a change feed.
    """

    spark: SparkSession
    path: Path
    feed: bool = True

    @property
    def name(self) -> str:
        return f"delta.`{self.path}`"

    def create(self, count: int = 40) -> None:
        """Create the table, or replace it, with so many people; every fourth is not active."""
        feed = "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')" if self.feed else ""
        self.sql(f"CREATE OR REPLACE TABLE {self.name} USING delta {feed} AS {self.people(0, count)}")

    @staticmethod
    def people(first: int, count: int, plan: str = "free") -> str:
        return (
            f"SELECT concat('r', id) AS id, concat('p', id) AS person, '{plan}' AS plan, id % 4 <> 3 AS active, "
            f"timestamp_seconds(1700000000 + id) AS at FROM range({first}, {first + count})"
        )

    def sql(self, statement: str) -> None:
        self.spark.sql(statement.replace("{people}", self.name)).collect()

    def insert(self, first: int, count: int = 1) -> None:
        self.sql(f"INSERT INTO {self.name} {self.people(first, count)}")

    def set_plan(self, where: str, plan: str) -> None:
        self.sql(f"UPDATE {self.name} SET plan = '{plan}' WHERE {where}")

    def delete(self, where: str) -> None:
        self.sql(f"DELETE FROM {self.name} WHERE {where}")

    def merge(self, query: str) -> None:
        """Write rows by their id, as an upsert."""
        self.sql(
            f"MERGE INTO {self.name} AS t USING ({query}) AS s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )

    @property
    def version(self) -> int:
        return int(self.spark.sql(f"DESCRIBE HISTORY {self.name} LIMIT 1").collect()[0]["version"])
