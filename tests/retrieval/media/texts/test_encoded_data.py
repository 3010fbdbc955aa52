"""Encoded data is left out of texts; words of any kind stay, and places still point into the text that was read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import random
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import DecodeError
from mmsearch.retrieval.media.texts.encoded_data import (
    BREAK,
    encoded_spans,
    original_span,
    readable_part,
    without_encoded_data,
)

RANDOM = random.Random(0).randbytes(30_000)
BASE64 = base64.b64encode(RANDOM).decode()
WRAPPED = base64.encodebytes(RANDOM[:3000]).decode()
HEX_DUMP = "\n".join(f"{i * 16:08x}: {RANDOM[i * 16 : i * 16 + 16].hex(' ', 2)}" for i in range(40))
MINIFIED = "".join(f"function f{i}(a,b){{if(a>{i})return b[{i}];c.x=a+b}};" for i in range(40))
NUMBERS = ",".join(f"{i / 7:.5f}" for i in range(200))

WORDS = "We climbed the lighthouse.\n\nThen we ate fish."


@pytest.mark.parametrize(
    "data",
    [
        BASE64,
        base64.urlsafe_b64encode(RANDOM[:300]).decode(),
        f"data:image/png;base64,{BASE64}",
        "data:image/svg+xml;utf8," + "%3Csvg%20xmlns=x" * 30,
        f"data:image/png;base64,{WRAPPED}",
        "-----BEGIN CERTIFICATE-----\n" + WRAPPED,
        "\n".join("> " + line for line in WRAPPED.splitlines()),
        WRAPPED.replace("\n", "\r\n"),
        RANDOM[:500].hex(),
        RANDOM[:500].hex().upper(),
        HEX_DUMP,
        ", ".join(f"0x{byte:02x}" for byte in RANDOM[:200]),
        "".join(f"\\x{byte:02x}" for byte in RANDOM[:200]),
        base64.b32encode(RANDOM[:300]).decode(),
        "<~" + base64.a85encode(RANDOM[:400], wrapcol=76).decode() + "~>",
        "begin 644 view.png\n"
        + "".join(binascii.b2a_uu(RANDOM[i * 45 : i * 45 + 45]).decode() for i in range(20))
        + "`\nend",
        MINIFIED,
        NUMBERS,
        "x" * 2000,
        "A" * 3000 + "==",
        "\n".join(hashlib.sha256(bytes([i])).hexdigest() for i in range(20)),
        "\n".join(str(uuid.UUID(int=random.Random(i).getrandbits(128))) for i in range(20)),
    ],
    ids=lambda data: data[:24].encode("unicode_escape").decode(),
)
def test_encoded_data_is_left_out_and_the_words_around_it_stay(data: str) -> None:
    before, after = WORDS.split("\n\n")
    kept = without_encoded_data(f"{before}\n\n{data}\n\n{after}")
    assert kept.text.startswith(before)
    assert kept.text.endswith(after)
    assert len(kept.text) < len(WORDS) + 60
    assert kept.note is not None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x" * 300_000, "nothing but one repeated character in it (300 kB)"),
        ("a" * 300_000, "nothing but one repeated character in it (300 kB)"),
        (("x" * 80 + "\n") * 100, "nothing but one repeated character in it (8.1 kB)"),
        ("lighthouse" * 9_000, "nothing but the same characters over and over in it (90 kB)"),
    ],
    ids=["x", "a, which is a digit, too", "lines", "a word"],
)
def test_what_repeats_is_not_said_to_be_encoded(text: str, reason: str) -> None:
    with pytest.raises(DecodeError) as error:
        without_encoded_data(text)
    assert str(error.value) == reason
    assert readable_part(f"{WORDS}\n{text}").note == f"{reason.rpartition('(')[2][:-1]} of repeated characters left out"


@pytest.mark.parametrize("text", ["lighthouse " * 9_000, "=" * 300_000, ("=" * 80 + "\n") * 100])
def test_words_and_rulers_that_repeat_stay(text: str) -> None:
    assert without_encoded_data(text).text == text


def test_encoded_data_beside_what_repeats_is_told_apart() -> None:
    assert readable_part("x" * 2000 + "\nA dog.\n" + BASE64[:3000]).note == (
        "3.0 kB of encoded data left out; 2.0 kB of repeated characters left out"
    )
    assert "repeated" not in (readable_part(BASE64).note or "")


SUMS = "".join(f"{hashlib.sha256(bytes([i])).hexdigest()}  holiday-{i}.jpg\n" for i in range(50))


def test_hashes_that_are_a_good_part_of_a_text_go_and_the_names_stay() -> None:
    kept = without_encoded_data(SUMS)
    assert kept.left_out == 50 * 64
    assert kept.text.split() == [f"holiday-{i}.jpg" for i in range(50)]
    assert BREAK not in kept.text
    assert kept.note == "3.2 kB of encoded data left out"


ORDINARY = [
    "A dog runs on the beach. " * 50,
    "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz und "
    "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft. ",
    "灯台守は毎晩ランプを灯す。西から嵐が来る。" * 100,
    "ผู้ดูแลประภาคารจุดตะเกียงทุกเย็น" * 60,
    "حارس المنارة يضيء المصباح كل مساء. " * 50,
    "🗼💡🌊🐶❤️" * 200,
    "https://example.org/World-Cup-Final-2022/Argentina-vs-France/IMG-001-A1?utm_source=newsletter&utm_id=42#top\n" * 9,
    "https://example.org/" + "a-walk-by-the-sea/" * 60,
    "The plan: https://docs.example.com/document/d/1yrYZJ2twrbpUuScbo3rmN_vUtEQkVjTBJ4Z9g8XkLw/edit",
    "See https://ru.wikipedia.org/wiki/%D0%A1%D0%BE%D0%B1%D0%B0%D0%BA%D0%B0 for more.",
    "| dog | cat | bird |\n|-----|-----|------|\n" + "| runs | sleeps | sings |\n" * 30,
    "|" + "|".join(f"{name}" for name in ["lighthouse", "harbour", "storm", "keeper"] * 40) + "|",
    "=" * 80 + "\nTitle\n" + "-" * 3000 + "\n",
    "apple,banana,cherry,lighthouse,harbour," * 30,
    "Two roads diverged in a yellow wood,\nAnd sorry I could not travel both\n" * 30,
    "def keeper(lamp: Lamp) -> None:\n    if lamp.is_dark():\n        lamp.light(at=22.5)\n" * 40,
    "GATTACA, ACGTACGTACGTACGTACGTACGT and TATA boxes",
    "AbstractSingletonProxyFactoryBeanGeneratorFactoryBuilder",
    "IMG_20190704_123456_HDR_COLOR_POP_2.jpg\nPXL_20210302_101112345.NIGHT.mp4\n" * 20,
    "scores: 12 34 56 78 90 12 34 56 78 90 12 34 56 78 90 12 34 56 78 90 2019 2020 2021 2022",
    "π is 3.14159265358979323846264338327950288419716939937510 to fifty places",
    "Fixed in 3f786850e387550fdab836ed7e6dc881de23001b by the keeper. " + "The lamp is lit again. " * 60,
    "call +49 (30) 1234567-89, +1-202-555-0143; mail keeper@lighthouse.example.org",
    "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 6. Re1 b5 7. Bb3 d6 8. c3 O-O",
    "bad cafe face dead beef fade deed added " * 20,
]  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY, ids=lambda text: text[:20])
def test_words_names_urls_tables_and_code_stay(text: str) -> None:
    assert encoded_spans(text) == []


words = st.text(st.characters(categories=["L", "M"]), min_size=1, max_size=30)


@given(st.lists(words, min_size=1, max_size=60), st.sampled_from([" ", "\n", ", ", " | ", "\n\n"]))
def test_words_of_any_script_stay(parts: list[str], between: str) -> None:
    text = between.join(parts)
    assert without_encoded_data(text).text == text


@given(st.lists(st.sampled_from(["dog ", "on the beach.\n", BASE64[:300], BASE64[500:1500], "\n"]), max_size=9))
def test_places_still_point_into_the_text_that_was_read(parts: list[str]) -> None:
    text = "".join(parts)
    kept = without_encoded_data(text)
    for segment_start, segment in _segments(kept.text):
        if segment.strip():
            start = segment_start + len(segment) - len(segment.lstrip())
            span = original_span(start, start + len(segment.strip()), kept.cuts)
            found = text[int(span.start) : int(span.end)]
            assert found == segment.strip()


def _segments(text: str) -> list[tuple[int, str]]:
    found, at = [], 0
    for segment in text.split(BREAK):
        found.append((at, segment))
        at += len(segment) + 1
    return found


@pytest.mark.parametrize("piece", ["<!-- a", "0x", "ab ", "A" * 39 + "\n", "a1-", "data:a/b;", "begin 644 x\n", "%41"])
def test_the_time_grows_with_the_length_alone(piece: str) -> None:
    def seconds(count: int) -> float:
        started = time.process_time()  # of this process alone: other programs may be at work
        encoded_spans(piece * count)
        return time.process_time() - started

    assert min(seconds(40_000) for _ in range(3)) < 60 * max(min(seconds(4_000) for _ in range(3)), 1e-3)
