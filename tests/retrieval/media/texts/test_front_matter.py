"""The front matter of Markdown becomes facts, and is no part of the text."""

from __future__ import annotations

import datetime as dt

import pytest

from mmsearch.retrieval.media.texts.front_matter import front_matter


def test_yaml_of_notes_and_of_pages_is_read() -> None:
    text = """---
title: "Lights: of the coast"
tags: [journal, 'sea']
keywords:
  - lamp
  - "#harbour"
nested:
  deep: x
date: 2021-05-03 10:15:00  # of the walk
lang: en-GB
---
# Lighthouse
"""
    length, facts = front_matter(text)
    assert text[length:] == "# Lighthouse\n"
    assert (facts.title, facts.tags, facts.lang) == (
        "Lights: of the coast",
        ("journal", "sea", "lamp", "harbour"),
        "en",
    )
    assert (facts.taken_at, facts.taken_from) == (dt.datetime(2021, 5, 3, 10, 15), "document")


def test_toml_is_read() -> None:
    text = '+++\ntitle = "Lights"\ndate = 2021-05-03T10:15:00\n[taxonomies]\ntags = ["sea", "lamp"]\n+++\nText'
    length, facts = front_matter(text)
    assert text[length:] == "Text"
    assert (facts.title, facts.tags, facts.taken_at) == ("Lights", ("sea", "lamp"), dt.datetime(2021, 5, 3, 10, 15))


@pytest.mark.parametrize("line", ["tags: sea, lamp", "tag: '#sea #lamp'", "tags: [sea, lamp]", "tags:\n- sea\n- lamp"])
def test_tags_are_written_in_many_ways(line: str) -> None:
    assert front_matter(f"---\r\n{line}\r\n---\r\nText".replace("\r\n", "\n"))[1].tags == ("sea", "lamp")


@pytest.mark.parametrize(
    "text",
    ["# Title", "---\nA line between\ntwo rulers.\n---\n", "---\ntitle: without an end", "+++\n= no toml\n+++\n", ""],
)
def test_text_without_front_matter_is_left_alone(text: str) -> None:
    assert front_matter(text)[0] == 0


def test_an_empty_one_is_left_out() -> None:
    assert front_matter("---\n---\nText")[0] == 8
