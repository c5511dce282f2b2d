"""Job: show the last runs. Same arguments as `cio-spark status`."""

import sys

from cio_spark.cli import app

if __name__ == "__main__":
    app(["status", *sys.argv[1:]])
