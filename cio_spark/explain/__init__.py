"""Collects all facts about one record or person: source, payload, validation, state, attempts, dead letters."""

from cio_spark.explain.explanation import Attempt, Explanation, InSource, Letter, SourceRecord
from cio_spark.explain.subject import Subject, subject_of

__all__ = ["Attempt", "Explanation", "InSource", "Letter", "SourceRecord", "Subject", "subject_of"]
