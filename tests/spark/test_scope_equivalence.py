"""Random changes of a source: runs that look at what has changed send what runs that look at all rows send.

Two databases have a sync of the same name, so that both make the same message ids of the same rows.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from changing_source import PEOPLE, ChangingSource
from pyspark.sql import SparkSession
from sync_bench import KEY, Bench

from cio_spark import results
from cio_spark.coverage import Scope
from cio_spark.errors import CioSparkError
from cio_spark.model import SyncResult
from cio_spark.results import rows_in_memory
from cio_spark.standin import Fault, StandIn

STEPS = 7
PLANS = ("free", "paid", "gold")


@pytest.fixture
def twins(spark: SparkSession, warehouse: Path) -> Iterator[tuple[Bench, Bench, ChangingSource]]:
    """Yield a sync whose runs choose their scope, its twin whose runs look at all rows, and their source."""
    number = len(list((warehouse / "sources").glob("twins*"))) if (warehouse / "sources").exists() else 0
    name = f"twins{number}"
    with StandIn(api_key=KEY) as one, StandIn(api_key=KEY) as other:
        benches = [
            Bench(
                spark, warehouse, api, name, PEOPLE, {"source": {"where": "active"}, "tables": {"database": database}}
            )
            for api, database in ((one, f"{name}_chosen"), (other, f"{name}_full"))
        ]
        source = ChangingSource(spark, benches[0].source)
        source.create(30)
        yield benches[0], benches[1], source


def change(source: ChangingSource, chance: random.Random) -> None:
    """Change the source in one of the ways that users change a table."""
    ids = ", ".join(f"'r{number}'" for number in chance.sample(range(36), 3))
    plan = chance.choice(PLANS)
    {
        "insert": lambda: source.insert(chance.randrange(40), 1),
        "insert twice": lambda: source.sql(f"INSERT INTO {{people}} SELECT * FROM {{people}} WHERE id IN ({ids})"),
        "update": lambda: source.set_plan(f"id IN ({ids})", plan),
        "update nothing": lambda: source.sql(f"UPDATE {{people}} SET plan = plan WHERE id IN ({ids})"),
        "filter": lambda: source.sql(f"UPDATE {{people}} SET active = NOT active WHERE id IN ({ids})"),
        "rename": lambda: source.sql(f"UPDATE {{people}} SET id = concat(id, 'x') WHERE id IN ({ids})"),
        "delete": lambda: source.delete(f"id IN ({ids})"),
        "merge": lambda: source.merge(source.people(chance.randrange(40), 3, plan)),
        "no id": lambda: source.sql(f"UPDATE {{people}} SET id = NULL WHERE id = 'r{chance.randrange(36)}'"),
        "overwrite": lambda: source.sql(f"INSERT OVERWRITE {{people}} {source.people(0, 30, plan)}"),
        "restore": lambda: source.sql(f"RESTORE TABLE {{people}} TO VERSION AS OF {max(0, source.version - 1)}"),
        "optimize": lambda: source.sql("OPTIMIZE {people}"),
    }[chance.choice(CHANGES)]()


CHANGES = (
    *("insert", "insert twice", "update", "update", "update nothing", "filter", "rename", "delete", "merge", "no id"),
    *("overwrite", "restore", "optimize"),
)


def run(bench: Bench, *, full: bool, dies: bool) -> SyncResult | None:
    """Run a sync; if it dies, its wave is sent and not committed."""
    if not dies:
        return bench.run(full=full)

    def send_only(_: Any, statuses: Any, **__: Any) -> None:
        statuses.write.format("noop").mode("overwrite").save()
        raise RuntimeError("the driver was killed")

    # A run that has nothing to send does not come so far
    with mock.patch.object(results, "append_record_status", send_only), contextlib.suppress(CioSparkError):
        return bench.run(full=full)
    return None


def facts_of(bench: Bench) -> tuple[set[tuple[str, str]], set[tuple[Any, ...]]]:
    """Return the messages that arrived, and the last state of every record."""
    messages = {(message["message_id"], str(message["payload"])) for message in bench.api.received.all()}
    columns = ("record_id", "accepted_payload_hash", "accepted_message_id")
    states = bench.spark.table(bench.tables.name("record_state")).select(*columns).collect()
    return messages, {tuple(row) for row in states if row["accepted_message_id"] is not None}


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 9))])
def test_a_run_that_chooses_its_scope_and_one_that_looks_at_all_rows_do_the_same(
    twins: tuple[Bench, Bench, ChangingSource], seed: int
) -> None:
    chosen, full, source = twins
    chance = random.Random(seed)
    scopes = set()
    for step in range(STEPS):
        if step:
            for _ in range(chance.randrange(3)):
                change(source, chance)
        poison = frozenset(f"p{number}" for number in chance.sample(range(36), chance.randrange(3)))
        dies = step > 0 and chance.random() < 0.2
        for bench in (chosen, full):
            bench.api.clear_faults()
            bench.api.script(Fault(poison=poison))
            with mock.patch.object(rows_in_memory, "MOST_ROWS", chance.choice((0, 2, 1_000))):
                result = run(bench, full=bench is full, dies=dies)
            assert result is None or result.books.balanced
            if result is not None and bench is chosen:
                assert result.scope is not None
                scopes.add(result.scope.scope)
    for bench in (chosen, full):
        bench.api.clear_faults()
        bench.run(full=bench is full)
    assert facts_of(chosen) == facts_of(full), f"seed {seed}"
    assert Scope.INCREMENTAL in scopes
