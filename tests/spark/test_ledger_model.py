"""Tests random lives of a sync: in the end Customer.io equals the source, and every promise was kept on the way.

This runs more lives, and shrinks a life that fails:

`pytest tests/spark/test_ledger_model.py --hypothesis-profile=thorough`
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from ledger_life import TROUBLES, Ending, Round, Work, live
from ledger_model import LedgerModel
from ledger_source import Edit
from pyspark.sql import SparkSession

EDITS = st.tuples(
    st.sampled_from([Edit.CHANGE, Edit.CHANGE, Edit.GO_BACK, Edit.GO_BACK, *Edit]),
    # Only a few records are edited, so that much happens to each; the others fill the batches
    st.sampled_from(["r0", "r1", "r2", "r3", "r4", "r8", "r9", "r10", "r11"]),
)
ROUNDS = st.lists(
    st.builds(
        Round,
        edits=st.lists(EDITS, min_size=3, max_size=10).map(tuple),
        work=st.sampled_from([Work.SYNC, Work.SYNC, *Work]),
        ending=st.sampled_from([Ending.WELL, *Ending]),
        trouble=st.sampled_from(list(TROUBLES)),
        after=st.integers(0, 3),
        times=st.integers(1, 5),
        retries=st.integers(0, 1),
        in_waves=st.booleans(),
        wave=st.integers(0, 1),
    ),
    min_size=2,
    max_size=4,
)
# The quick run has only these lives: a run takes seconds, so every life must be worth this time
A_TO_B = tuple((Edit.CHANGE, record) for record in ("r0", "r1", "r8"))
B_TO_A = tuple((Edit.GO_BACK, record) for record in ("r0", "r1"))
BACK_AND_FORTH = [
    Round(((Edit.SPOIL, "r5"), (Edit.POISON, "r6"), (Edit.DOUBLE, "r7"))),
    Round(A_TO_B, ending=Ending.UNCOMMITTED_DEATH),
    Round(B_TO_A, trouble="dropped after", times=9),
    Round(A_TO_B, ending=Ending.COMMITTED_DEATH, in_waves=True),
]
REFUSED_AND_REPLAYED = [
    Round(((Edit.POISON, "r6"), (Edit.POISON, "r8")), trouble="502, and taken", after=1),
    Round(((Edit.CHANGE, "r0"), (Edit.CHANGE, "r1"), (Edit.HEAL, "r6"), (Edit.REMOVE, "r2")), work=Work.REPLAY),
]
THOROUGH = settings.get_profile("thorough")
QUICK = settings(THOROUGH, phases=(Phase.explicit,))
CHOSEN = THOROUGH if settings.default == THOROUGH else QUICK
pytestmark = pytest.mark.timeout(0 if CHOSEN is THOROUGH else 300)


@pytest.mark.slow
@CHOSEN
@given(rounds=ROUNDS, queues=st.booleans())
@example(rounds=BACK_AND_FORTH, queues=False)
def test_customer_io_holds_what_the_source_holds_whatever_happened_on_the_way(
    spark: SparkSession, warehouse: Path, rounds: list[Round], queues: bool
) -> None:
    live(spark, warehouse, LedgerModel(keeps_state=True, queues=queues), rounds)


@pytest.mark.slow
@CHOSEN
@given(rounds=ROUNDS, queues=st.booleans())
@example(rounds=BACK_AND_FORTH, queues=False)
@example(rounds=REFUSED_AND_REPLAYED, queues=True)
def test_runs_that_look_at_what_has_changed_keep_the_promise_too(
    spark: SparkSession, warehouse: Path, rounds: list[Round], queues: bool
) -> None:
    live(spark, warehouse, LedgerModel(keeps_state=True, queues=queues), rounds, by_changes=True)


@CHOSEN
@given(rounds=ROUNDS, queues=st.booleans())
@example(rounds=REFUSED_AND_REPLAYED, queues=True)
def test_an_event_is_accepted_once_whatever_happened_on_the_way(
    spark: SparkSession, warehouse: Path, rounds: list[Round], queues: bool
) -> None:
    live(spark, warehouse, LedgerModel(keeps_state=False, queues=queues), rounds)
