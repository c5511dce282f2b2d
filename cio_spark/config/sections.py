"""Defines the small sections of a sync file: sync, source, api, tables, delivery, dead_letters."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from cio_spark.config.base import ConfigModel, Identifier, Name, Real, Text, TextEnum, Whole, validation_error
from cio_spark.config.batch import ProcessingPriority
from cio_spark.config.calls import OnChange
from cio_spark.config.secret_ref import SecretRef
from cio_spark.config.section_rules import api_problems, raise_problems, source_problems


class SyncSection(ConfigModel):
    """Describes the sync itself: its name, and its place among other syncs."""

    name: Name = Field(
        description="The sync's name: 1 to 100 letters, digits, '_', '.', '-'. "
        "Earlier runs are looked up by it, so a renamed sync starts anew."
    )
    priority: ProcessingPriority = Field(
        ProcessingPriority.NORMAL, description="Several syncs in one job run one after another, critical first."
    )
    operation_type: Name | None = Field(
        None, description="Label in the tables and batch ids; without it, it follows from the call."
    )
    on_change: OnChange | None = Field(
        None,
        description="What happens to an accepted record whose payload changed; without it, it follows from the call: "
        "send for state (identify, group, suppressions, devices, deletions), ignore for events.",
    )


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


SortExpressions = Annotated[
    list[Text],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class ChangeFeedUse(TextEnum):
    """Says whether runs find changed rows by the change feed of the source table."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class SourceSection(ConfigModel):
    """Says where the rows come from: exactly one of table, path and query."""

    table: Text | None = Field(
        None, description="A Delta table or a view by name: table, schema.table or catalog.schema.table."
    )
    path: Text | None = Field(None, description="The folder or URI of a Delta table.")
    query: Text | None = Field(None, description="A SELECT whose result is the source; it runs once per run.")
    where: Text | None = Field(None, description="A Spark SQL condition that rows must fulfil.")
    order_by: SortExpressions = Field(
        default_factory=list,
        description="SQL sort expressions, one or a list; of rows with one record id the first is kept.",
    )
    changes: ChangeFeedUse = Field(
        ChangeFeedUse.AUTO,
        description="How a run finds what has changed. auto: by the table's change feed, if there is one, else "
        "by comparing all rows; required: end with exit status 2 if the feed cannot be used; off: compare all rows.",
    )
    full_every_days: Whole = Field(
        7,
        ge=0,
        le=365,
        description="Days after which a run compares all rows again; 0 for never.",
    )

    @model_validator(mode="after")
    def _exactly_one_source(self) -> SourceSection:
        raise_problems(source_problems(self.model_dump()))
        return self


class Region(TextEnum):
    """Names the region of the Customer.io workspace."""

    US = "us"
    EU = "eu"


REGION_URLS = {Region.US: "https://cdp.customer.io/v1", Region.EU: "https://cdp-eu.customer.io/v1"}


def _address(url: str) -> str:
    if any(character in url for character in "@?#"):
        raise validation_error("must be a plain address, without a key, user name, '?' or '#' in it")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise validation_error(
            f"must be an address that starts with http:// or https:// and names a host, found {url[:60]!r}"
        )
    return url.rstrip("/")


class ApiSection(ConfigModel):
    """Says how this sync uses Customer.io's Data Pipelines API."""

    region: Region = Field(Region.US, description="The workspace's region; it decides the address.")
    base_url: Annotated[str, AfterValidator(_address)] | None = Field(
        None, description="Address in place of the region's, up to and with /v1: a stand-in, a proxy."
    )
    strict_mode: bool = Field(
        True,
        description="Ask the API to refuse malformed requests; without it, it answers 200 and drops them silently.",
    )
    share_of_rate: Real = Field(
        1.0,
        gt=0.0,
        le=1.0,
        description="The part of batch.rate_limit_rps that is this sync's, where several jobs send with one key at a "
        "time: their shares together must not exceed 1.",
    )
    insecure: bool = Field(
        False,
        description="Take a base_url that starts with http:// and is not this machine: the key crosses the network in "
        "clear text.",
    )
    secret: SecretRef | None = Field(
        None, description="The Databricks secret that holds the API key; CUSTOMERIO_API_KEY in the environment wins."
    )

    @model_validator(mode="after")
    def _encrypted(self) -> ApiSection:
        raise_problems(api_problems(self.model_dump()))
        return self

    @property
    def url(self) -> str:
        """Base address that requests go to, without a slash at its end."""
        return self.base_url or REGION_URLS[self.region]


class TablesSection(ConfigModel):
    """Says where the tables are that record what was done."""

    catalog: Identifier | None = Field(None, description="Unity Catalog catalog; none: the session's current one.")
    database: Identifier = Field("customerio", description="Database (schema) of the tables.")


class DeliveryEngine(TextEnum):
    """Lists the ways in which records reach the Python workers and statuses come back."""

    ARROW = "arrow"
    RDD = "rdd"


class DeliverySection(ConfigModel):
    """Says how a run is cut into waves, and how records reach the workers."""

    wave_minutes: Real = Field(
        3.0,
        gt=0.0,
        le=5.0,
        description="Minutes of sending in one wave, which is one commit; a run that is killed sends at most one wave "
        "again.",
    )
    lease_seconds: Whole = Field(
        180,
        ge=1,
        le=180,
        description="How long a run keeps its sync after its last sign of life, in seconds. A wave may send for three "
        "times as long as planned, between one lease and five; another run takes over when that time is over.",
    )
    grace_seconds: Whole = Field(
        60, ge=0, le=3600, description="How long the wave under way may go on after a request to stop, in seconds."
    )
    engine: DeliveryEngine = Field(
        DeliveryEngine.ARROW,
        description="arrow (mapInArrow) runs everywhere; rdd (rdd.mapPartitions) needs classic compute and is slower.",
    )


class DeadLettersSection(ConfigModel):
    """Says what is kept of records that could not be delivered."""

    store_payloads: bool = Field(
        True, description="Keep payloads, so that they can be sent again; without it only their hashes are kept."
    )
    keep_days: int | None = Field(
        None,
        ge=1,
        description="Days after which maintenance drops letters that were not delivered; failed records are then tried "
        "again by the next run. Without it they stay, for a waiting letter is its record's only payload.",
    )
