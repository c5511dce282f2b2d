"""Tests that a user's columns may have the same names as our columns.

This must hold on the whole way from the source to the tables.
"""

from __future__ import annotations

from collections.abc import Callable

from sync_bench import Bench

OURS = [
    *[
        "key",
        "state",
        "wave",
        "lane",
        "retried",
        "awaits_replay",
        "record_id",
        "person_key",
        "payload",
        "payload_hash",
        "ids",
    ],
    *["objects", "occurred_at", "error_code", "message_id", "accepted_message_id", "payload_bytes", "c0", "x", "id"],
    *["__order_0", "__order_1", "__rank", "__verdict"],
]


def test_columns_called_like_ours_are_sent_and_rank_duplicates(bench: Callable[..., Bench]) -> None:
    sent = [name for name in OURS if not name.startswith("_")]
    payload = {"call": "identify", "record_id": "who", "user_id": "who", "traits": {"include": sent}}
    order_by = ["__rank DESC", "upper(`__order_0`)", "__verdict"]
    people = bench(payload, source={"order_by": order_by})
    names = ", ".join(f"'{name} ' || n AS `{name}`" for name in OURS)
    people.write_sql(f"SELECT 'p' || (n % 2) AS who, {names} FROM (SELECT explode(sequence(1, 4)) AS n)")
    for source in ({"path": str(people.source)}, {"query": f"SELECT * FROM delta.`{people.source}`"}):
        result = people.run(source={**source, "order_by": order_by})
        assert (result.exit_status, result.books.balanced, result.books.survey.superseded) == (0, True, 2)
    received = {item["payload"]["userId"]: item["payload"]["traits"] for item in people.api.received.all()}
    assert received == {f"p{n % 2}": {name: f"{name} {n}" for name in sent} for n in (3, 4)}
    assert people.api.received.count() == 2
