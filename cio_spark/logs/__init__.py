"""Writes the logs of runs: names of events, their lines, and the configuration of structlog (docs/logging.md).

Nothing is imported here: the workers of a cluster need the names and the lines, but not structlog.
"""
