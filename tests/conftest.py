"""Sets the hypothesis profile of all tests."""

from __future__ import annotations

from hypothesis import settings

# No test measures time, so a busy machine must not make one fail
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
