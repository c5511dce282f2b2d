"""Finds Delta's jars for local sessions: they are fetched once from Maven Central, and then passed as files.

They are passed as files for two reasons. Ivy's resolution costs seconds at every start. And what `spark.jars.packages`
names ends up on the import path of every Python worker, which reads these archives again before each task
(docs/decisions/0004-jars-as-files.md).
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pyspark

from cio_spark.errors import CioSparkError

_RESOLVE = """
import sys
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
spark = configure_spark_with_delta_pip(builder).getOrCreate()
jars = spark.sparkContext.getConf().get("spark.jars", "")
spark.stop()
open(sys.argv[1], "w").write(jars)
"""
_FETCH_TIMEOUT_SECONDS = 600


def delta_jars(cache: Path, log: Path) -> list[str]:
    """Return the paths of the jars that a local session with Delta needs.

    Args:
        cache: folder for the list of jars, which is kept between runs.
        log: file that gets the output of the fetching.

    Raises:
        CioSparkError: the jars could not be fetched.
    """
    versions = f"{pyspark.__version__}-{version('delta-spark')}"
    listing = cache / f"delta-jars-{versions}.json"
    if jars := _listed(listing):
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    # Several processes may start at the same moment on an empty cache, but Ivy must not fetch twice at the same time
    with (cache / f"{listing.stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars := _listed(listing):
            return jars
        unfinished = cache / f"{listing.stem}.resolved"
        jars = _fetched(unfinished, log)
        unfinished.write_text(json.dumps(jars))
        unfinished.replace(listing)  # one atomic step, because the file is read without the lock
    return jars


def _listed(listing: Path) -> list[str]:
    """Return the jars of an earlier fetch; an empty list if there was none, or if one of the jars is gone."""
    jars: list[str] = json.loads(listing.read_text()) if listing.is_file() else []
    return jars if all(Path(jar).is_file() for jar in jars) else []


def _fetched(found: Path, log: Path) -> list[str]:
    """Return the jars that Ivy finds or fetches; `found` is the file into which it writes their names."""
    with log.open("ab") as output:
        try:
            subprocess.run(
                [sys.executable, "-c", _RESOLVE, str(found)],
                stdout=output,
                stderr=output,
                check=True,
                timeout=_FETCH_TIMEOUT_SECONDS,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            raise CioSparkError(
                f"Delta's jars could not be fetched from Maven Central; check the network, see {log}"
            ) from None
    return [jar.removeprefix("file://").removeprefix("file:") for jar in found.read_text().split(",") if jar]
