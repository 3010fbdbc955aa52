"""What a worker and the main process say to each other arrives as it was sent; nothing else is taken for a message."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from mmsearch.errors import Hint, HintKind
from mmsearch.extracts import SavedClip, SavedFrame
from mmsearch.retrieval.media.decode_spec import DecodeSpec, Rejection
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.resume import ResumePoint
from mmsearch.retrieval.media.workers.jobs import Decoded, Job, Output, PartFacts, TextPart
from mmsearch.retrieval.media.workers.messages import (
    Extent,
    JobRequest,
    Message,
    PartInMemory,
    WorkerSetup,
    from_line,
    path_in,
    to_line,
)
from mmsearch.types import Facts

ODD = b"/photos/two\nlines \xff.png"
SPEC = DecodeSpec(ImageTransform(32, 48, fill=(1, 2, 3)), sample_rate=8000, only=frozenset({"image", "audio"}))


def test_a_setup_arrives_as_it_was_sent() -> None:
    for setup in (
        WorkerSetup(SPEC, (7, (4, 32, 48, 3)), ("C:\\shared", (2, 100)), max_pixels=1000, number=1, writes_to=ODD),
        WorkerSetup(DecodeSpec(), None, None, max_pixels=1),
    ):
        line = setup.to_line()
        assert line.count(b"\n") == 1
        assert WorkerSetup.from_line(line) == setup


def test_a_job_arrives_as_it_was_sent() -> None:
    points = {bytes(16): {"shot": ResumePoint(3, 30.0, 20.0, "damaged"), "window": ResumePoint(5, 25.0, 25.0)}}
    for job in (
        Job(ODD, True, frozenset({bytes(16), b"\xff" * 16}), points, "caption", (1.5, None), sniff_only=True),  # type: ignore[arg-type]
        Job(ODD, moment=(1.5, 2.5), write=Output("clip", ODD + b".mp4")),
        Job(ODD),
    ):
        line = JobRequest(job, 3).to_line()
        assert line.count(b"\n") == 1
        assert line.startswith(b"{"), "the opener tells jobs from the lines that confirm parts"
        assert path_in(line) == ODD
        assert JobRequest.from_line(line) == JobRequest(job, 3)


FACTS = Facts(96, 64, 1.5, dt.datetime(2023, 7, 14, 18, 30, tzinfo=dt.UTC), "truncated", "exif")
PART = PartFacts(kind="shot", start_s=1.0, end_s=2.5, continues=True, index=4, can_go_on=True, damage="bad", of_s=9.0)


@pytest.mark.parametrize(
    "message",
    [
        Extent(size=17),
        Extent(duration_s=1.5),
        PartInMemory(PART, (2, 32, 48, 3), b"\x01" * 16),
        PartInMemory(PartFacts(kind="page", start_s=0.0, end_s=1.0), (32, 48, 3)),
        TextPart(b"", [(0, "a dog"), (3, "a dog"), (4, "犬")], b"\x01" * 16),
        Decoded(b"", "same", "image", b"\x02" * 16, 5, 6, 7),
        Decoded(b"", "decoded", "image", b"\x02" * 16, 5, 6, None, FACTS, slot=2),
        Decoded(b"", "decoded", "image", b"\x02" * 16, 0, 0, 0, Facts(0, 0, 0.0), slot=0),
        Decoded(b"", "decoded", "text", text="a \0 dog", cuts=[(2, 500)]),
        Decoded(b"", "decoded", "text", text=""),
        Decoded(b"", "decoded", "table", texts=[], column=""),
        Decoded(b"", "decoded", "table", texts=[(1, "x"), (2, "x")], column="caption", column_guessed=True),
        Decoded(b"", "decoded", "subtitles", cues=[(0.5, 1.5, "hello")]),
        Decoded(b"", "decoded", "video", saved=SavedFrame(Path("/out/a\udcff.png"), 1.5, 96, 64)),
        Decoded(b"", "decoded", "audio", saved=SavedClip(Path("/out/a.mp4"), 1.0, 2.0, copied=True)),
        Decoded.skipped(
            b"",
            "a sound",
            kind="audio",
            rejection=Rejection.NOT_EMBEDDED,
            hint=Hint(HintKind.ADD_SOUND_MODEL, "a subject"),
        ),
    ],
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    line = to_line(message)
    assert line.count(b"\n") == 1
    assert from_line(line) == message


def test_a_text_of_many_rows_goes_over_once() -> None:
    line = to_line(TextPart(b"", [(row, "the same words") for row in range(1000)]))
    assert line.count(b"the same words") == 1


def test_arrays_are_copied_out_of_the_shared_memory() -> None:
    memory = np.zeros(1000, np.uint8)
    window = np.linspace(-1, 1, 20, dtype=np.float32)
    memory[:80] = window.view(np.uint8)
    found = PartInMemory(PartFacts(kind="window", start_s=0, end_s=1), (20,)).array_in(memory)
    memory[:] = 7
    np.testing.assert_array_equal(found, window)
    page = PartInMemory(PartFacts(kind="page", start_s=0, end_s=1), (2, 4, 3)).array_in(memory)
    assert (page.shape, page.dtype, page.max()) == ((2, 4, 3), np.uint8, 7)
    with pytest.raises(ValueError, match="reshape"):
        PartInMemory(PartFacts(kind="page", start_s=0, end_s=1), (2000, 4, 3)).array_in(memory)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello\n",
        b"7\n",
        b"{}\n",
        b'{"decoded": {}}\n',
        b'{"decoded": 7}\n',
        b'{"other": {}}\n',
        b'{"extent": {"size": null, "duration_s": 0}}\n',
        b'{"part": {"facts": {"kind": "shot", "oddly": 1}, "shape": [1], "content_hash": ""}}\n',
        b'{"texts": {"texts": [["a"], [[0, 7]]], "content_hash": ""}}\n',
        to_line(Extent(size=1))[:-3],
        json.dumps({"extent": {"size": 1, "duration_s": 0}, "part": {}}).encode(),
    ],
)
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="no message of a worker"):
        from_line(line)
