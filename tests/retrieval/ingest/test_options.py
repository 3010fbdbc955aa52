"""Options of an indexing run: a bad value is one clear line that names the field."""

from __future__ import annotations

import pytest

from mmsearch import IngestOptions
from mmsearch.errors import UsageError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"batch": -1}, "batch must be at least 1, not -1"),
        ({"threads": "two"}, "threads must be a whole number, not 'two'"),
        ({"memory": 0}, "memory must be at least 1, not 0"),
        ({"memory": "4G"}, "memory must be a whole number, not '4G'"),
        ({"exclude": "*.tmp"}, r"exclude must be a list of strings, not '\*.tmp'"),
        ({"lift": [b"x"]}, "lift must be a list of strings"),
        ({"only": "image"}, "only must be a list of strings, not 'image'"),
        ({"only": ("picture",)}, "no modality 'picture'"),
        ({"hidden": "no"}, "hidden must be True or False, not 'no'"),
        ({"check": "size"}, "check must be one of times, mtime, content, not 'size'"),
        ({"window": 11}, "window must lie above 0 and at most at 10 seconds, not 11"),
        ({"window": "5"}, "window must be a number of seconds, not '5'"),
        ({"window": 4, "hop": 5}, "hop must lie above 0 and at most at the window's 4 s, not 5"),
        ({"window": float("nan")}, "window must lie above 0"),
    ],
)
def test_a_value_out_of_bounds_is_wrong_use(options, message):
    with pytest.raises(UsageError, match=f"^{message}") as error:
        IngestOptions(**options)
    assert "--" not in str(error.value)
    assert "\n" not in str(error.value)


def test_lists_are_taken_and_kept_as_tuples():
    options = IngestOptions(only=["text"], exclude=["*.tmp"], lift=["all"])
    assert (options.only, options.exclude, options.lift) == (("text",), ("*.tmp",), ("all",))


def test_every_field_is_documented():
    documented = IngestOptions.__doc__ or ""
    assert [name for name in IngestOptions.__dataclass_fields__ if f"\n        {name}: " not in documented] == []
