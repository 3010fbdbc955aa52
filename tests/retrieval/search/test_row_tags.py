"""Conditions on labels: what they mean, and what is said of labels that are not there."""

from __future__ import annotations

import ast

import numpy as np
import pyarrow as pa
import pytest

from mmsearch.errors import HintKind, UsageError
from mmsearch.retrieval.search.conditions import check_condition, rows_where
from mmsearch.retrieval.search.row_tags import RowTags
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
    tags = check_condition(text, tuple, lambda: RowTags(TABLE))
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
        rows_where(FewRows(), text, check_condition(text, tuple, lambda: RowTags(TABLE)))
    assert said in str(error.value)
    assert (error.value.hint.kind, error.value.hint.subject) == (kind, subject)


def test_a_column_of_ones_own_goes_first():
    rows = FewRows(tag=["mine", "b", None, "mine"])

    def never():
        raise AssertionError("labels are not read")

    assert check_condition("tag = 'mine'", lambda: ["tag"], never) is None
    assert rows.ids[rows_where(rows, "tag = 'mine'")].tolist() == [1, 9]


def test_labels_are_read_only_if_a_condition_asks_for_them():
    def never():
        raise AssertionError("labels are not read")

    assert check_condition("width > 3 and tags is None", tuple, never) is None


def test_labels_that_nobody_gave_are_not_read_from_metadata_first():
    tags = RowTags(TABLE.replace_schema_metadata(None))
    tags.check(ast.parse("tag == 'sea'", mode="eval").body)
    with pytest.raises(UsageError, match="no label 'unicorn'"):
        tags.check(ast.parse("tag == 'unicorn'", mode="eval").body)


def test_without_labels_a_condition_says_so(collection):
    with pytest.raises(UsageError, match="no labels were given yet") as error:
        collection.search("x", where="tag = 'dog'")
    assert error.value.hint.kind is HintKind.TAG
