"""Bytes become characters, and long texts become passages that a text tower reads whole."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.texts import text as text_module
from mmsearch.retrieval.media.texts.text import (
    MAX_TEXT_BYTES,
    CountTokens,
    Remark,
    decode_text,
    join_notes,
    note_kind,
    passages,
)


def one_each(texts: Sequence[str]) -> NDArray[np.int64]:
    """A token for each word."""
    return np.array([len(text.split()) for text in texts], dtype=np.int64)


def by_length(texts: Sequence[str]) -> NDArray[np.int64]:
    """A token for each three characters of a word, begun or whole, and two more for each emoji."""
    return np.array(
        [sum(-(-len(word) // 3) + 2 * word.count("🐕") for word in text.split()) for text in texts], dtype=np.int64
    )


def by_pairs(texts: Sequence[str]) -> NDArray[np.int64]:
    """A token for each whole pair of characters of a word: a word may count more than its parts."""
    return np.array([sum(len(word) // 2 for word in text.split()) for text in texts], dtype=np.int64)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_texts_are_read_without_a_note(encoding: str) -> None:
    assert decode_text("Hündchen 犬\n".encode(encoding)) == ("Hündchen 犬\n", None)


def test_big_endian_with_its_mark_is_read() -> None:
    assert decode_text(b"\xfe\xff" + "犬".encode("utf-16-be")) == ("犬", None)


def test_sixteen_bits_without_a_mark_are_told_by_their_zeros() -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        note = "without a byte order mark: read as UTF-16"
        assert decode_text("Größe und Höhe\n".encode(encoding)) == ("Größe und Höhe\n", note)


def test_an_eight_bit_text_is_read_and_noted() -> None:
    assert decode_text("“déjà vu”".encode("cp1252")) == ("“déjà vu”", "not UTF-8: read as Windows-1252")
    assert decode_text(b"\x81\xe9") == ("\x81é", "not UTF-8: read as Latin-1")


def test_control_characters_become_spaces_in_their_places() -> None:
    assert decode_text(b"a\0b\tc\nd\x07") == ("a b\tc\nd ", None)


def test_a_text_over_the_limit_is_refused() -> None:
    with pytest.raises(DecodeError, match="over 16 MiB"):
        decode_text(b"a" * (MAX_TEXT_BYTES + 1))


def cut(text: str, max_tokens: int) -> list[str]:
    return [text[start:end] for start, end in passages(text, one_each, max_tokens)]


def test_a_text_that_fits_is_one_passage_without_the_space_around_it() -> None:
    assert cut("\n  A dog.\n\nA cat.  \n", 10) == ["A dog.\n\nA cat."]
    assert cut(" \n ", 10) == []


def test_cuts_come_between_paragraphs_first() -> None:
    text = "One two three. Four five.\n\nSix seven. Eight nine ten."
    assert cut(text, 8) == ["One two three. Four five.", "Six seven. Eight nine ten."]


def test_then_between_sentences() -> None:
    text = "One two three. Four five. Six seven eight nine."
    assert cut(text, 7) == ["One two three. Four five.", "Six seven eight nine."]


def test_then_between_words() -> None:
    assert cut("one two three four five", 2) == ["one two", "three four", "five"]


def test_an_early_paragraph_does_not_make_a_tiny_passage() -> None:
    assert cut("Title\n\n" + "word " * 15, 10)[0] == "Title\n\nword word word word word word word word word"


def test_chinese_without_spaces_is_cut_after_a_full_stop() -> None:
    text = "一只狗在沙滩上奔跑。" * 4
    spans = list(passages(text, by_length, 8))
    assert len(spans) == 2
    assert all(text[end - 1] == "。" for _, end in spans)


def test_an_endless_word_is_cut_between_characters() -> None:
    spans = list(passages("x" * 100, by_length, 10))
    assert spans[0][0] == 0
    assert spans[-1][1] == 100
    assert all(end - start <= 30 for start, end in spans)


@given(st.text(st.sampled_from("abcd 。.犬🐕\n\t!?\r")), st.integers(1, 12), st.sampled_from([by_length, by_pairs]))
@example("x" * 10, 4, by_pairs)
def test_every_character_is_covered_once_and_every_passage_fits(
    text: str, max_tokens: int, count_tokens: CountTokens
) -> None:
    spans = list(passages(text, count_tokens, max_tokens))
    places = [place for start, end in spans for place in range(start, end)]
    assert len(places) == len(set(places))
    assert {place for place, character in enumerate(text) if not character.isspace()} <= set(places)
    for start, end in spans:
        passage = text[start:end]
        assert passage == passage.strip()
        assert count_tokens([passage])[0] <= max_tokens or len(passage) == 1


@given(st.text(st.sampled_from("abcd 。.犬\n\t!?"), max_size=200), st.integers(1, 12), st.integers(1, 9))
def test_passages_are_the_same_however_large_the_blocks_are(text: str, max_tokens: int, block: int) -> None:
    whole = list(passages(text, by_length, max_tokens))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_BLOCK_WORDS", block)
        assert list(passages(text, by_length, max_tokens)) == whole


def test_a_long_text_gives_its_first_passage_before_the_last_is_counted() -> None:
    counted = 0

    def count(texts: Sequence[str]) -> NDArray[np.int64]:
        nonlocal counted
        counted += len(texts)
        return one_each(texts)

    next(passages(" ".join(map(str, range(100_000))), count, 60))
    assert counted < 20_000


def test_words_are_counted_once_in_one_call() -> None:
    calls = []

    def count(texts: Sequence[str]) -> NDArray[np.int64]:
        calls.append(list(texts))
        return one_each(texts)

    list(passages("the dog and the cat and the bird", count, 3))
    assert calls == [["the", "dog", "and", "cat", "bird"]]


def test_a_text_ten_times_as_long_takes_about_ten_times_as_long() -> None:
    def seconds(text: str) -> float:
        started = time.perf_counter()
        list(passages(text, by_length, 60))
        return time.perf_counter() - started

    text = "A dog runs on the beach. " * 2000 + "犬" * 2000
    assert min(seconds(text * 10) for _ in range(3)) < 40 * min(seconds(text) for _ in range(3))


@pytest.mark.parametrize(
    ("note", "kind"),
    [
        (Remark.WINDOWS_1252, "whole"),
        (join_notes(Remark.UTF_16, None), "whole"),
        ("1.3 MB of encoded data left out", "part"),
        (join_notes(Remark.LATIN_1, "only its first 5 passages are indexed"), "part"),
        ("page 3 not UTF-8: read as Windows-1252", "part"),
    ],
)
def test_a_note_tells_whether_something_was_left_out(note: str, kind: str) -> None:
    assert note_kind(note) == kind
