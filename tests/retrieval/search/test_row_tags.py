"""Conditions on labels: what they mean, and what is said of labels that are not there."""

from __future__ import annotations

import ast

import numpy as np
import pyarrow as pa
import pytest

from mmsearch.errors import HintKind, UsageError
from mmsearch.retrieval.search.conditions import check_condition, rows_where
from mmsearch.retrieval.search.row_tags import RowGroups, RowTags
from mmsearch.retrieval.store.schema import with_all_columns

TABLE = pa.table(
    {
        "id": [9, 2, 2, 4, 70],
        "label": pa.array(["dog", "dog", "sea", "sea", "dog"]).dictionary_encode(),
    }
).replace_schema_metadata(
    {b"mmsearch.tags": b'{"vocabularies": {"words": {"labels": [["dog"], ["sea"], ["unicorn"]]}}}'}
)


class FewRows:
    """Rows as conditions read them; ``own`` is a column of a user's own."""

    def __init__(self, **own: object) -> None:
        self.ids = np.array([1, 2, 4, 9])
        self.table = pa.table({"width": [10, 20, 30, 40], **own})
        self.own_types = {name: self.table[name].type for name in own}

    def facts(self, names):
        return with_all_columns(self.table, names)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("tag = 'dog'", [2, 9]),
        ("'dog' == tag", [2, 9]),
        ("tag != 'dog'", [1, 4]),
        ("not tag = 'dog'", [1, 4]),
        ("tag in ('dog', 'sea')", [2, 4, 9]),
        ("tag not in ['dog', 'sea']", [1]),
        ("'sea' in tag", [2, 4]),
        ("'sea' not in tag", [1, 9]),
        ("tag = 'dog' and tag = 'sea'", [2]),
        ("tag = 'dog' or width > 25", [2, 4, 9]),
        ("tag is None", [1]),
        ("tag is not None", [2, 4, 9]),
        ("tag = 'unicorn'", []),
        ("`tag` = 'dog' and id < 5", [2]),
    ],
)
def test_a_condition_asks_for_labels(text, ids):
    tags = check_condition(text, tuple, lambda name: RowTags(TABLE))
    rows = FewRows()
    assert rows.ids[rows_where(rows, text, tags)].tolist() == ids


@pytest.mark.parametrize(
    ("text", "said", "kind", "subject"),
    [
        ("tag = 'dig'", "no label 'dig'; did you mean 'dog'?", HintKind.TAG, "dig"),
        ("tag in ('dog', 'unicrn')", "did you mean 'unicorn'?", HintKind.TAG, "unicrn"),
        ("tag = 'helicopter'", "no label 'helicopter'", HintKind.TAG, "helicopter"),
        ("tag > 'dog'", "asks for no label", HintKind.WHERE_EXAMPLE, ""),
        ("tag = 3", "asks for no label", HintKind.WHERE_EXAMPLE, ""),
        ("tag = width", "asks for no label", HintKind.WHERE_EXAMPLE, ""),
        ("tag", "neither true nor false", HintKind.WHERE_EXAMPLE, ""),
    ],
)
def test_what_cannot_be_asked_gets_one_line(text, said, kind, subject):
    with pytest.raises(UsageError) as error:
        rows_where(FewRows(), text, check_condition(text, tuple, lambda name: RowTags(TABLE)))
    assert said in str(error.value)
    assert (error.value.hint.kind, error.value.hint.subject) == (kind, subject)


def test_a_column_of_ones_own_goes_first():
    rows = FewRows(tag=["mine", "b", None, "mine"])

    def never(*_):
        raise AssertionError("labels are not read")

    assert check_condition("tag = 'mine'", lambda: ["tag"], never) == {}
    assert rows.ids[rows_where(rows, "tag = 'mine'")].tolist() == [1, 9]


GROUPS = pa.table({"id": [1, 2, 9, 2], "group": pa.array([7, 7, 8, 3], pa.int32())})
FACTS = pa.table({"group": pa.array([3, 7, 8, 9], pa.int32())})


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("group = 'g7'", [1, 2]),
        ("group = 'g7' and group = 'g3'", [2]),
        ("group in ('g8', 'g3') and width < 35", [2]),
        ("group != 'g7'", [4, 9]),
        ("group is None", [4]),
        ("group = 'g9'", []),
        ("group = 'g8' and tag = 'dog'", [9]),
    ],
)
def test_a_condition_asks_for_groups(text, ids):
    labels = check_condition(text, tuple, lambda name: RowGroups(GROUPS, FACTS) if name == "group" else RowTags(TABLE))
    rows = FewRows()
    assert rows.ids[rows_where(rows, text, labels)].tolist() == ids


def test_of_groups_that_are_not_there(collection):
    with pytest.raises(UsageError, match="there is no group 'g1'") as error:
        check_condition("group = 'g1'", tuple, lambda name: RowGroups(GROUPS, FACTS))
    assert error.value.hint.kind is HintKind.GROUPS
    with pytest.raises(UsageError, match="write group = 'g7'"):
        rows_where(
            FewRows(), "group > 'g7'", check_condition("group > 'g7'", tuple, lambda _: RowGroups(GROUPS, FACTS))
        )
    with pytest.raises(UsageError, match="nothing was grouped yet"):
        collection.count(where="group = 'g1'")


def test_labels_are_read_only_if_a_condition_asks_for_them():
    def never(*_):
        raise AssertionError("labels are not read")

    assert check_condition("width > 3 and tags is None", tuple, never) == {}


def test_labels_that_nobody_gave_are_not_read_from_metadata_first():
    tags = RowTags(TABLE.replace_schema_metadata(None))
    tags.check(ast.parse("tag == 'sea'", mode="eval").body)
    with pytest.raises(UsageError, match="no label 'unicorn'"):
        tags.check(ast.parse("tag == 'unicorn'", mode="eval").body)


def test_without_labels_a_condition_says_so(collection):
    with pytest.raises(UsageError, match="no labels were given yet") as error:
        collection.search("x", where="tag = 'dog'")
    assert error.value.hint.kind is HintKind.TAG
