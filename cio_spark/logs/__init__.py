"""Logs of runs: the names of events, their lines, and who configures what (docs/logging.md).

Nothing is imported here: the workers of a cluster need the names and the lines, and no structlog.
"""
