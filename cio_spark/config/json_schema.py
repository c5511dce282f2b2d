"""Makes the JSON schema of a sync file, for editors and other tools."""

from __future__ import annotations

import json
from typing import Any

from cio_spark.config.sync import SyncConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def configuration_schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a whole sync file; an environment file contains only a part of one."""
    return {"$schema": DIALECT, **SyncConfig.model_json_schema(by_alias=True)}


def render_schema() -> str:
    """Return the schema as the text of `conf/schema.json`."""
    return json.dumps(configuration_schema(), indent=2, ensure_ascii=False) + "\n"
