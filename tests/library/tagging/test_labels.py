"""Labels and their files: what can be written, and what is said of the rest."""

from __future__ import annotations

import json

import pytest

from mmsearch.errors import NoSuchFileError, UsageError
from mmsearch.library.tagging.labels import BUILT_IN, KINDS, MOST_LABELS, Label, vocabulary, word_labels


def read(path, least=None):
    return vocabulary(str(path), least, KINDS)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "mine.txt"


def test_a_line_is_a_label_with_prompts_and_a_probability_or_without(file):
    lines = ["# mine", "", "dog", "fire engine\ta red fire engine|a fire truck\t0.7", "cat\t\t0.9", "sea  shore"]
    file.write_text("\n".join(lines))
    name, labels = read(file)
    assert name == "mine.txt"
    assert labels == [
        Label("dog"),
        Label("fire engine", ("a red fire engine", "a fire truck"), 0.7),
        Label("cat", (), 0.9),
        Label("sea shore"),
    ]
    assert [label.min_probability for label in read(file, 0.2)[1]] == [0.2] * 4


def test_a_line_may_be_json(file):
    file.write_text(
        json.dumps({"label": "dog", "prompts": ["a puppy"], "min": 0.3}) + "\n" + json.dumps({"label": "x"})
    )
    assert read(file)[1] == [Label("dog", ("a puppy",), 0.3), Label("x")]


def test_ten_thousand_lines_are_read(file):
    file.write_text("\n".join(f"thing {i}" for i in range(10_000)))
    assert len(read(file)[1]) == 10_000


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "has no label"),
        (b"# nothing\n\n", "has no label"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no text in UTF-8"),
        (b"dog\0cat", "no text in UTF-8"),
        ("\n".join(map(str, range(MOST_LABELS + 1))).encode(), "20,001 labels; 20,000 are the most"),
        (b"a\tb\t0.5\tc", "line 1: more than"),
        (b"a\nb\t\tmuch", "line 2: 'much' is no probability"),
        (b"a\t\t1.5", "'1.5' is no probability"),
        (b"{}", "line 1: no JSON object such as"),
        (b'{"label": 3}', "a text of some letters, not 3"),
        (b'{"label": "a", "prompts": "b"}', "prompts are a list"),
        (b"a" * 201, "at most 200 characters"),
        (b"a\x1b[31m", "cannot be shown"),
        (b"a\na\t\t0.9", "'a' is there twice"),
    ],
)
def test_what_is_no_file_of_labels_gets_one_line_that_names_it(file, data, said):
    file.write_bytes(data)
    with pytest.raises(UsageError) as error:
        read(file)
    assert said in str(error.value)
    assert "mine.txt" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path):
    with pytest.raises(NoSuchFileError, match="everyday, moderation"):
        read(tmp_path / "none")
    with pytest.raises(UsageError, match="cannot read"):
        read(tmp_path)


@pytest.mark.parametrize("name", BUILT_IN)
def test_vocabularies_of_mmsearch_are_sorted_lower_case_and_have_no_label_twice(name):
    _, labels = vocabulary(name, None, KINDS)
    seen = [label.name for label in labels if "image" in label.to]
    heard = [label.name for label in labels if label.to == ("audio",)]
    for names in (seen, heard):
        assert names == sorted(set(names))
        assert all(label == label.lower() for label in names)


def test_everyday_words_are_of_what_is_seen_or_of_what_is_heard():
    _, labels = vocabulary("everyday", None, KINDS)
    seen = {label.name for label in labels if {"image", "video"} <= set(label.to)}
    heard = {label.name for label in labels if "audio" in label.to}
    assert len(seen) > 2900
    assert len(heard) > 350
    assert {"dog", "beach"} <= seen
    assert "dog barking" in heard - seen
    assert [label.to for label in labels if label.name == "helicopter"] == [("image", "video", "audio")]
    assert len({label.name for label in labels}) == len(labels)
    assert [label.to for label in vocabulary("everyday", None, ("video",))[1]] == [("video",)] * len(seen)


def test_words_are_trimmed_and_an_empty_one_is_refused():
    assert word_labels([" old  car ", "old car"], 0.4, KINDS) == [Label("old car", (), 0.4)]
    with pytest.raises(UsageError, match="some letters"):
        word_labels([" "], None, KINDS)


def test_a_digest_changes_with_all_that_a_label_says():
    labels = [Label("a"), Label("b"), Label("a", ("c",)), Label("a", (), 0.4), Label("a", (), 0.5, ("image",))]
    assert len({label.digest for label in labels}) == len(labels)
    assert Label.from_json(json.loads(json.dumps(labels[3].to_json()))) == labels[3]
