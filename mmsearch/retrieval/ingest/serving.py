"""Which model embeds what, where a collection has several: one for each modality, and what decoding makes for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmsearch.retrieval.encoders.protocol import AudioEncoder, Encoder, ImageEncoder, TextEncoder, VideoEncoder
from mmsearch.retrieval.media.recipe import HOP_S, WINDOW_S, Recipe
from mmsearch.types import Modality, Space


@dataclass(frozen=True, slots=True)
class Serving:
    """The encoders of a run, the collection's current one first.

    Texts are embedded by the first, unless ``texts`` is False; pictures, sounds and films each by the last that can: it
    was added for them.
    """

    encoders: tuple[Encoder, ...]
    texts: bool = True

    @property
    def text(self) -> TextEncoder | None:
        """What embeds texts."""
        first = self.encoders[0]
        return first if self.texts and isinstance(first, TextEncoder) else None

    @property
    def image(self) -> ImageEncoder | None:
        """What embeds pictures."""
        return next((e for e in reversed(self.encoders) if isinstance(e, ImageEncoder)), None)

    @property
    def audio(self) -> AudioEncoder | None:
        """What embeds sounds, and the sound of films."""
        return next((e for e in reversed(self.encoders) if isinstance(e, AudioEncoder)), None)

    @property
    def video(self) -> VideoEncoder | ImageEncoder | None:
        """What embeds films: as such, or by their frames."""
        return next((e for e in reversed(self.encoders) if isinstance(e, VideoEncoder | ImageEncoder)), None)

    def spaces(self) -> dict[Modality, Space]:
        """The space that each modality is embedded into."""
        encoders: dict[Modality, Encoder | None] = {
            "image": self.image,
            "text": self.text,
            "audio": self.audio,
            "video": self.video,
        }
        return {modality: encoder.space for modality, encoder in encoders.items() if encoder is not None}

    def recipe(self, only: Sequence[Modality] = (), window_s: float = WINDOW_S, hop_s: float = HOP_S) -> Recipe:
        """What decoding is to make of files for these encoders."""
        image, video = self.image, self.video
        frames = video.frame_transform if isinstance(video, VideoEncoder) else None
        return Recipe(
            image=image.image_transform if image else None,
            frames=frames or (image.image_transform if image else None),
            sample_rate=self.audio.sample_rate if self.audio else None,
            texts=self.text is not None,
            window_s=window_s,
            hop_s=hop_s,
            only=frozenset(only),
        )
