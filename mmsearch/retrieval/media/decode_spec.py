"""What decoding makes of files: which kinds are read, the size of pictures and frames, the rate of sound."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mmsearch.errors import HintKind
from mmsearch.retrieval.enrich.ocr.lines import OcrMode
from mmsearch.retrieval.enrich.speech.voice import VOICE_RATE
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.types import MODALITIES, Modality

WINDOW_S, HOP_S = 10.0, 5.0
"""A window of sound lasts `WINDOW_S` seconds; the next one begins `HOP_S` seconds later."""

VOICE_PART_S = 10.0
"""Seconds of the sound in which speech is looked for that are handed on at once."""

MAX_SPAN_S = 10.0
"""A hit's span is at most so long: longer shots are embedded in pieces."""

FRAMES_OF_SHOT = 4
"""The most frames that are taken of a shot."""

_NOUNS: dict[Modality, tuple[str, str]] = {
    "image": ("a picture", "pictures"),
    "text": ("a text", "texts"),
    "audio": ("a sound", "sounds"),
    "video": ("a film", "films"),
}


class Rejection(StrEnum):
    """Why no file of a kind is decoded."""

    NOT_ASKED_FOR = "not_asked_for"
    NOT_EMBEDDED = "not_embedded"  # by any model


def plural_of(modality: Modality) -> str:
    """``pictures``, ``texts``, ``sounds`` or ``films``."""
    return _NOUNS[modality][1]


@dataclass(frozen=True, slots=True)
class DecodeSpec:
    """What the encoders of a run take.

    Attributes:
        image: how pictures become pixels; None: pictures are not decoded.
        frames: the same for the frames of films.
        sample_rate: what sound is resampled to, in Hz; None: sound is not decoded.
        texts: whether texts, tables and subtitles are read.
        window_s: the length of a window of sound, in seconds.
        hop_s: the time from one window to the next.
        only: the kinds of files that are read; empty: all that the fields above allow.
        coded_bytes: the most coded bytes that are handed on at once; 0: none are.
        speech: whether sound is also handed on as `VOICE_RATE` samples a second, for what is said in it.
        ocr: in which pictures, pages and frames text is read: ``all``, in those that a glance finds some in (``auto``),
            or in none (``off``).
    """

    image: ImageTransform | None = None
    frames: ImageTransform | None = None
    sample_rate: int | None = None
    texts: bool = True
    window_s: float = WINDOW_S
    hop_s: float = HOP_S
    only: frozenset[Modality] = frozenset()
    coded_bytes: int = 0
    speech: bool = False
    ocr: OcrMode = "off"

    @property
    def kinds(self) -> frozenset[Modality]:
        """The kinds of files of which something can be made. A film is its frames, its sound, or both."""
        makes: dict[Modality, bool] = {
            "image": self.image is not None,
            "text": self.texts,
            "audio": self.sample_rate is not None or self.speech,
            "video": self.frames is not None or self.sample_rate is not None or self.speech,
        }
        return frozenset(kind for kind, made in makes.items() if made)

    def rejection(self, kind: Modality) -> Rejection | None:
        """Why files of a kind are not decoded; None where they are."""
        if self.only and kind not in self.only:
            return Rejection.NOT_ASKED_FOR
        return Rejection.NOT_EMBEDDED if kind not in self.kinds else None

    def explain(self, rejection: Rejection, kind: Modality) -> tuple[str, HintKind | None]:
        """A rejection in a sentence, and a way out."""
        noun, plural = _NOUNS[kind]
        if rejection is Rejection.NOT_ASKED_FOR:
            wanted = " and ".join(plural_of(modality) for modality in MODALITIES if modality in self.only)
            return f"{noun}: only {wanted} are asked for", None
        hint = HintKind.ADD_SOUND_MODEL if kind == "audio" else None
        return f"{noun}: no model of this collection embeds {plural}", hint

    @property
    def part_bytes(self) -> int:
        """The most bytes of one part of a file: the frames of a shot, a window of sound, a page, or coded bytes."""
        page = self.image.height * self.image.width * 3 if self.image else 0
        frames = FRAMES_OF_SHOT * self.frames.height * self.frames.width * 3 if self.frames else 0
        samples = 4 * (int(self.window_s * self.sample_rate) + 2) if self.sample_rate else 0
        voice = 4 * (round(VOICE_PART_S * VOICE_RATE) + 2) if self.speech else 0
        return max(page, frames, samples, voice, self.coded_bytes)

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object, for a worker's start."""
        return {**dataclasses.asdict(self), "only": sorted(self.only)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DecodeSpec:
        """The inverse of `to_json`, also after a trip through JSON text."""
        transforms = {
            name: None if data[name] is None else ImageTransform.from_json(data[name]) for name in ("image", "frames")
        }
        return cls(**{**data, **transforms, "only": frozenset(data["only"])})
