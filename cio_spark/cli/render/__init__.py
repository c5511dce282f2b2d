"""Draws on a terminal: progress, tables, sentences. Everything else in the package returns data."""
