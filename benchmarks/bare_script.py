"""Does the least that a Spark script with Delta can do: it is the yardstick of cold commands.

It opens a session as cio_spark builds it, counts a Delta table, appends one row to another one, and reads it back.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cio_spark.spark.session import build_session


def main(warehouse: Path, counted: str, appended: str) -> None:
    """Run the script.

    Args:
        warehouse: folder of local tables.
        counted: folder of the Delta table that is counted.
        appended: folder of a Delta table with one column, `at` STRING.
    """
    spark = build_session(warehouse)
    rows = spark.read.format("delta").load(counted).count()
    spark.createDataFrame([("now",)], "at STRING").write.format("delta").mode("append").save(appended)
    there = spark.read.format("delta").load(appended).collect()
    # It ends as the commands do, without stopping the session
    print(f"{rows} rows counted, {len(there)} read back")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
