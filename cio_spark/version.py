"""Finds the version of the installed package."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("cio-spark")
except PackageNotFoundError:  # a checkout on the path, not installed
    VERSION = "0.0.0"
