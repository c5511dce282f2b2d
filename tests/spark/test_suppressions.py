"""Tests that suppressions are tried until the API takes them.

A row that our own validation refuses is refused only once.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import functions as F
from sync_bench import Bench

from cio_spark.errors import ExitStatus
from cio_spark.standin import Fault


def test_what_the_api_refused_is_tried_on_every_run_and_a_row_without_an_id_is_written_down_once(
    bench: Callable[..., Bench],
) -> None:
    gone = bench({"call": "suppress", "record_id": "id", "user_id": "id"}, batch={"retry_attempts": 0})
    gone.write_sql("SELECT * FROM VALUES ('s1'), ('s2'), (CAST(NULL AS STRING)) AS t(id)")
    gone.api.script(Fault(poison=frozenset({"s2"})))
    first, second = gone.run(), gone.run()
    assert (first.books.delivery.invalid, first.books.delivery.rejected) == (1, 1)
    assert (second.books.survey.held, second.books.delivery.invalid, second.books.delivery.rejected) == (1, 0, 1)
    gone.api.clear_faults()
    third = gone.run()
    assert (third.books.survey.held, third.books.delivery.accepted, third.books.balanced) == (1, 1, True)
    # The threshold of 0 % counts only what this run tried; the message mentions what is held
    assert [result.exit_status for result in (first, second, third)] == [
        ExitStatus.ERROR_THRESHOLD_EXCEEDED,
        ExitStatus.ERROR_THRESHOLD_EXCEEDED,
        ExitStatus.SUCCESS,
    ]
    assert "1 that our validation refused before" in third.message
    tried = gone.run(retry_held=True)
    assert (tried.books.delivery.invalid, tried.exit_status) == (1, ExitStatus.ERROR_THRESHOLD_EXCEEDED)
    letters = gone.tables.read("dead_letters").where(F.col("sync") == gone.name)
    assert sorted(row["error_code"] for row in letters.where("status = 'invalid'").collect()) == [
        "missing_record_id",  # of the first run
        "missing_record_id",  # of --retry-held
    ]
    assert letters.where("record_id = 's2'").count() == 2
