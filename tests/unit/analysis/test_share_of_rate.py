"""Tests that a sync with a share of the rate is measured by its share.

Advice about the rate is about the whole rate.
"""

from __future__ import annotations

from dataclasses import replace

from report_facts import CONFIG, Scene

from cio_spark.analysis.findings import find_what_holds_back
from cio_spark.config import SyncConfig


def with_share(share: float) -> SyncConfig:
    return SyncConfig.model_validate({**CONFIG.model_dump(by_alias=True), "api": {"share_of_rate": share}})


def test_a_sync_that_uses_all_of_its_share_is_not_called_slow() -> None:
    row = replace(Scene(), batches=240, seconds=10.0).run()  # 24 requests/s, of 100 requests/s allowed

    for share, slow in ((1.0, True), (0.25, False)):
        findings = find_what_holds_back([row], with_share(share))
        assert findings is not None
        assert ("low_throughput" in {found.type for found in findings.bottlenecks}) is slow


def test_a_higher_rate_is_asked_of_the_whole_that_the_syncs_divide() -> None:
    row = replace(Scene(), batches=240, seconds=10.0, failed=0).run()

    findings = find_what_holds_back([row], with_share(0.25), target_rps=50_000.0)

    assert findings is not None
    (change,) = [change for change in findings.suggestion.changes if change.field == "rate_limit_rps"]
    needed = findings.suggestion.configuration.rate_limit_rps
    assert (change.before, change.after) == (100, needed)
    assert needed % 4 == 0
    assert "api.share_of_rate = 0.25" in change.reason
