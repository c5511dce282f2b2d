"""Tests the section `monitoring`: thresholds have bounds, and the address of a webhook is refused in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from cio_spark.config import MonitoringSection, SyncConfig, load_config
from cio_spark.errors import ConfigurationError

SYNC: dict[str, Any] = {
    "sync": {"name": "s"},
    "source": {"table": "t"},
    "payload": {"call": "identify", "record_id": "id", "user_id": "id"},
}
ADDRESS = "https://hooks.example/T0/very-secret"


def written(tmp_path: Path, monitoring: Any) -> Path:
    path = tmp_path / "s.yml"
    path.write_text(yaml.safe_dump({**SYNC, "monitoring": monitoring}), encoding="utf-8")
    return path


def test_it_may_be_left_out_and_has_the_notebooks_thresholds() -> None:
    monitoring = SyncConfig.model_validate(SYNC).monitoring
    assert monitoring == MonitoringSection()
    assert (monitoring.window_minutes, monitoring.error_rate_factor) == (5, 2.0)
    assert (monitoring.slow_batch_seconds, monitoring.low_throughput_percent) == (60.0, 30.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window_minutes", 0),
        ("window_minutes", 1441),
        ("minimum_records", 0),
        ("minimum_busy_seconds", -1),
        ("error_rate_factor", 0.9),
        ("slow_batch_seconds", 0),
        ("low_throughput_percent", 101),
        ("expected_every_minutes", 0),
        ("most_dead_letters", -1),
        ("volume_change_percent", 0),
    ],
)
def test_every_threshold_has_bounds(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        MonitoringSection.model_validate({field: value})


@pytest.mark.parametrize(
    "monitoring",
    [{"webhook_secret": ADDRESS}, {"webhook": ADDRESS}, {"webhook_url": ADDRESS}, {"slack_webhook": ADDRESS}],
)
def test_a_webhooks_address_in_yaml_is_refused_and_not_shown(tmp_path: Path, monitoring: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_config(written(tmp_path, monitoring))
    assert "CIO_SPARK_WEBHOOK_URL" in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_a_secret_is_named_and_stays_named_in_the_description(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, {"webhook_secret": {"scope": "alerts", "key": "slack"}}))
    assert config.monitoring.webhook_secret is not None
    assert config.describe()["monitoring"]["webhook_secret"] == {"scope": "alerts", "key": "slack"}


@pytest.mark.parametrize(("call", "threshold"), [("identify", 5.0), ("suppress", 0.0), ("delete_person", 0.0)])
def test_suppressions_take_no_errors(call: str, threshold: float) -> None:
    payload = {"call": call, "record_id": "id", "user_id": "id"}
    assert SyncConfig.model_validate({**SYNC, "payload": payload}).error_threshold_percent == threshold
