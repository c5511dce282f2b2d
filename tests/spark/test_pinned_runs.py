"""Tests that three runs of every call leave what such runs have always left.

The runs read version A of a fixed source, then version B, then version A again.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pinned_calls import CALLS, SCALARS, SOURCE
from pyspark.sql import functions as F
from sync_bench import Bench

PINNED = Path(__file__).with_name("pinned_runs.json")
# Version B changes the time `at` of r1 and the float `f` of r3; r2 has neither value, and stays the same
CHANGED = SOURCE.replace("2024-02-29 12:34:56.789123Z", "2024-03-01 12:34:56.789123Z").replace("0.1F", "0.25F")
# `make test` runs one sync of each kind, `make test-all` runs all of them
QUICK = ("track",)
LEFT_OUT = {"request_seconds", "throttled_seconds", "bytes", "compressed_bytes"}


def life_of(bench: Bench) -> list[dict[str, Any]]:
    """Return what each of three runs has left in the tables and at the API."""
    runs = []
    for query in (SOURCE, CHANGED, SOURCE):
        bench.api.received.clear()
        bench.write_sql(query)
        result = bench.run()
        runs.append(
            {
                "sent": sorted(bench.api.received.message_ids()),
                "statuses": [
                    [*row, shape_of(batch, result.run_id)]
                    for *row, batch in bench.tables.read("record_status")
                    .where(F.col("run_id") == result.run_id)
                    .orderBy("record_id")
                    .select(
                        "record_id",
                        "person_key",
                        "message_id",
                        "payload_hash",
                        "operation_type",
                        "status",
                        "error_code",
                        "error_message",
                        "http_status",
                        "attempts",
                        "payload_bytes",
                        "batch_id",
                    )
                    .collect()
                ],
                "batches": sorted(
                    Counter(
                        json.dumps(
                            [
                                shape_of(row["batch_id"], result.run_id),
                                row["operation_type"],
                                row["status"],
                                *sorted(row["metadata"]),
                            ]
                        )
                        for row in bench.tables.read("batch_operations")
                        .where(F.col("job_id") == result.run_id)
                        .collect()
                    )
                ),
                "books": make_books(result.books),
                "exit_status": int(result.exit_status),
            }
        )
    return runs


def shape_of(batch_id: str | None, run_id: str) -> str | None:
    """Return a batch id without the parts that depend on the time of the run and on the number of task slots."""
    return None if batch_id is None else re.sub(r"(?<=-[wpl])\d+|\d+$", "#", batch_id.replace(run_id, "RUN"))


def make_books(books: Any) -> dict[str, Any]:
    """Return the counts that do not depend on time, on compression or on the number of task slots."""
    said: dict[str, Any] = json.loads(json.dumps(asdict(books)))
    kept = {name: value for name, value in said["delivery"].items() if name not in LEFT_OUT | {"requests"}}
    survey = {name: value for name, value in said["survey"].items() if name != "gone"}  # it is counted beside the books
    return {**said, "survey": survey, "delivery": kept, "balanced": books.balanced}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in CALLS]
)
def test_three_runs_of_a_call_leave_what_they_have_always_left(bench: Callable[..., Bench], name: str) -> None:
    sync = bench({**SCALARS, **CALLS[name]})
    # The hash of a message id begins with the sync's name
    sync.name = f"pinned-{name.replace(' ', '-').lower()}"
    assert life_of(sync) == json.loads(PINNED.read_text())[name]
