"""Exit codes: 1 failed, 2 wrong use, 3 some files skipped, 4 the collection is busy or damaged, 130 interrupted."""

from __future__ import annotations

import inspect

import pytest

from mmsearch import errors
from mmsearch.cli.exit_codes import exit_code

EXPECTED = {
    "MMSearchError": 1,
    "ModelUnavailableError": 1,
    "DecodeError": 1,
    "UsageError": 2,
    "CannotEmbedError": 2,
    "SpaceMismatchError": 2,
    "CollectionClosedError": 2,
    "CollectionBusyError": 4,
    "CollectionDamagedError": 4,
    "NewerFormatError": 4,
    "ReadOnlyError": 4,
}
CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.MMSearchError) and name in EXPECTED
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_kind_of_error_has_its_exit_code(name):
    assert exit_code(CLASSES[name]("anything")) == EXPECTED[name]


def test_every_kind_of_error_inherits_the_code_of_what_it_is():
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.MMSearchError):
            parents = [parent.__name__ for parent in kind.__mro__ if parent.__name__ in EXPECTED]
            error = kind("anything", "gone") if kind is errors.FileNotServedError else kind("anything")
            assert exit_code(error) == EXPECTED[parents[0]], name
