"""PowerPoint: slides in the order of the presentation, with their notes."""

from __future__ import annotations

from types import ModuleType

import pytest

from mmsearch.errors import DecodeError


def test_each_slide_with_its_notes_is_a_page(documents: ModuleType) -> None:
    data = documents.pptx(["Whales", "Boats"], {0: "say hello"})
    assert documents.texts_of(data, "a.pptx") == [(0, "Whales\nsay hello"), (1, "Boats")]


def test_a_presentation_without_slides_has_a_reason(documents: ModuleType) -> None:
    with pytest.raises(DecodeError, match="there are no slides in it"):
        documents.read(documents.pptx([]), "a.pptx")
