"""Tests that a changed address is refused until the user says that it leads to the same workspace.

What one workspace accepted says nothing about another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import functions as F
from sync_bench import KEY, Bench

from cio_spark.config import ApiKey
from cio_spark.errors import ConfigurationError
from cio_spark.pipeline import preview_sync, replay_sync
from cio_spark.standin import Fault, StandIn


@pytest.fixture
def elsewhere() -> Iterator[StandIn]:
    with StandIn(api_key=KEY) as server:
        yield server


def at(api: StandIn) -> dict[str, Any]:
    return {"api": {"base_url": api.url}}


def events(bench: Bench) -> int:
    return bench.tables.read("sync_runs").where(F.col("sync") == bench.name).count()


@pytest.mark.slow
def test_an_address_other_than_that_of_the_last_run_is_refused_until_it_is_said_to_be_the_same_workspace(
    people: Bench, elsewhere: StandIn
) -> None:
    people.write_sql("SELECT 'p1' AS id, 'a' AS plan")
    people.run()
    written = events(people)
    session: dict[str, Any] = {"spark": people.spark, "warehouse": people.warehouse}
    moved = people.config(**at(elsewhere))
    with pytest.raises(ConfigurationError) as refused:
        people.run(**at(elsewhere))
    for part in (people.api.url, elsewhere.url, "api.base_url", "tables.database", "--same-workspace"):
        assert part in str(refused.value)
    with pytest.raises(ConfigurationError, match="--same-workspace"):
        preview_sync(moved, **session)
    with pytest.raises(ConfigurationError, match="--same-workspace"):
        replay_sync(moved, api_key=ApiKey(KEY), **session)
    assert (elsewhere.received.count(), events(people)) == (0, written)

    assert preview_sync(moved, same_workspace=True, full=True, **session).counts.unchanged == 1
    assert people.run(same_workspace=True, **at(elsewhere)).books.survey.unchanged == 1
    # From now on the new address is the one of the last run
    assert people.run(**at(elsewhere)).books.survey.unchanged == 1
    with pytest.raises(ConfigurationError, match="--same-workspace"):
        people.run()


def test_an_address_where_no_record_was_ever_answered_ties_nobody_to_it(people: Bench, elsewhere: StandIn) -> None:
    people.write_sql("SELECT 'p1' AS id, 'a' AS plan")
    people.api.script(Fault(status=503, after=1, times=100))
    assert people.run(batch={"retry_attempts": 0}).books.delivery.failed == 1
    assert people.run(**at(elsewhere)).books.delivery.accepted == 1
