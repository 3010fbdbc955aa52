"""What decoding is to make of files: which kinds are read, and what becomes of pictures, frames and sound."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.types import Modality

WINDOW_S, HOP_S = 10.0, 5.0
MAX_SPAN_S = 10.0
"""A hit's span is at most so long, and so is a window of sound."""

FRAMES_OF_SHOT = 4
_NOUNS: dict[Modality, tuple[str, str]] = {
    "image": ("a picture", "pictures"),
    "text": ("a text", "texts"),
    "audio": ("a sound", "sounds"),
    "video": ("a film", "films"),
}


@dataclass(frozen=True, slots=True)
class DecodeSpec:
    """What the encoders of a run take. What is None is not made.

    ``image`` fits pictures, ``frames`` the frames of films; ``sample_rate`` is what sound is resampled to, in
    windows of ``window_s`` seconds every ``hop_s``. ``only`` names the kinds of files that are read; none means all
    of which something can be made.
    """

    image: ImageTransform | None = None
    frames: ImageTransform | None = None
    sample_rate: int | None = None
    texts: bool = True
    window_s: float = WINDOW_S
    hop_s: float = HOP_S
    only: frozenset[Modality] = frozenset()

    @property
    def kinds(self) -> frozenset[Modality]:
        """The kinds of files of which something can be made. A film is its frames, its sound, or both."""
        makes: dict[Modality, bool] = {
            "image": self.image is not None,
            "text": self.texts,
            "audio": self.sample_rate is not None,
            "video": self.frames is not None or self.sample_rate is not None,
        }
        return frozenset(kind for kind, made in makes.items() if made)

    def reason_against(self, kind: Modality) -> str | None:
        """Why a file of that kind is not read; None where it is."""
        noun, plural = _NOUNS[kind]
        if self.only and kind not in self.only:
            return f"{noun}: only {' and '.join(_NOUNS[k][1] for k in _NOUNS if k in self.only)} are asked for"
        if kind not in self.kinds:
            way_out = " (`mmsearch index --model clap` adds one)" if kind == "audio" else ""
            return f"{noun}: no model of this collection embeds {plural}{way_out}"
        return None

    @property
    def part_bytes(self) -> int:
        """The most bytes that one part of a file takes: the frames of a shot, a window of sound, or a page."""
        page = self.image.height * self.image.width * 3 if self.image else 0
        frames = FRAMES_OF_SHOT * self.frames.height * self.frames.width * 3 if self.frames else 0
        samples = 4 * (int(self.window_s * self.sample_rate) + 2) if self.sample_rate else 0
        return max(page, frames, samples)

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
