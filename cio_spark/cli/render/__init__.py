"""Draws progress, tables and sentences on a terminal; everything else in the package returns data."""
