"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# No test is about time: a busy machine must not fail one
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
