"""Job: create tables and views. Same arguments as `cio-spark setup`."""

import sys

from cio_spark.cli import app

if __name__ == "__main__":
    app(["setup", *sys.argv[1:]])
