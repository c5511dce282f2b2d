"""The API key cannot be printed, logged or compared by accident."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from cio_spark.config import ApiKey
from cio_spark.errors import ConfigurationError

SECRET = "sk_live_4f9a"
KEY = ApiKey(SECRET)


@pytest.mark.parametrize(
    "shown",
    [repr(KEY), str(KEY), f"{KEY}", f"{KEY:>40}", f"{KEY!r}", "%s" % KEY, repr([KEY]), repr({"key": KEY})],  # noqa: UP031 - the old way must be masked too
)
def test_no_way_of_printing_shows_the_key(shown: str) -> None:
    assert SECRET not in shown
    assert "***" in shown


def test_only_reveal_gives_the_key() -> None:
    assert KEY.reveal() == SECRET
    assert not hasattr(KEY, "__dict__")


def test_the_key_survives_pickle_and_copies_and_stays_masked() -> None:
    for other in (pickle.loads(pickle.dumps(KEY)), copy.deepcopy(KEY)):
        assert other.reveal() == SECRET
        assert SECRET not in repr(other)


def test_a_key_equals_only_a_key() -> None:
    assert ApiKey(SECRET) == KEY
    assert hash(ApiKey(SECRET)) == hash(KEY)
    assert ApiKey("another") != KEY
    assert KEY != SECRET


def test_a_key_does_not_get_into_json() -> None:
    with pytest.raises(TypeError):
        json.dumps({"key": KEY})


def test_white_space_around_a_pasted_key_is_dropped() -> None:
    assert ApiKey(f"  {SECRET}\n").reveal() == SECRET


@pytest.mark.parametrize("wrong", ["", "  \n", "two words", "line\nbreak", "schlüssel"])
def test_what_is_no_key_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ApiKey(wrong)
    assert not wrong.strip() or wrong not in str(caught.value)
