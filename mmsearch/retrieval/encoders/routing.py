"""Which model embeds what, where a collection has several: one for each modality, and what decoding makes for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmsearch.retrieval.encoders.protocol import AudioEncoder, Encoder, ImageEncoder, TextEncoder, VideoEncoder
from mmsearch.retrieval.media.decode_spec import HOP_S, WINDOW_S, DecodeSpec
from mmsearch.types import MODALITIES, Modality, Space


@dataclass(frozen=True, slots=True)
class ModelRouting:
    """The encoders of a run, and for each modality the key of the space whose encoder embeds it.

    What no space is named for, or what its encoder has no tower for, is not embedded.
    """

    encoders: tuple[Encoder, ...]
    space_by_modality: Mapping[Modality, str]

    @classmethod
    def single(cls, encoder: Encoder, *, texts: bool = True) -> ModelRouting:
        """One encoder for all that it can embed, but for texts where ``texts`` is False."""
        return cls((encoder,), {m: encoder.space.key for m in MODALITIES if texts or m != "text"})

    @property
    def text(self) -> TextEncoder | None:
        """What embeds texts."""
        encoder = self._of("text")
        return encoder if isinstance(encoder, TextEncoder) else None

    @property
    def image(self) -> ImageEncoder | None:
        """What embeds pictures."""
        encoder = self._of("image")
        return encoder if isinstance(encoder, ImageEncoder) else None

    @property
    def audio(self) -> AudioEncoder | None:
        """What embeds sounds, and the sound of films."""
        encoder = self._of("audio")
        return encoder if isinstance(encoder, AudioEncoder) else None

    @property
    def video(self) -> VideoEncoder | ImageEncoder | None:
        """What embeds films: as such, or by their frames."""
        encoder = self._of("video")
        return encoder if isinstance(encoder, VideoEncoder | ImageEncoder) else None

    def _of(self, modality: Modality) -> Encoder | None:
        return next((e for e in self.encoders if e.space.key == self.space_by_modality.get(modality)), None)

    def spaces(self) -> dict[Modality, Space]:
        """The space that each modality is embedded into."""
        encoders: dict[Modality, Encoder | None] = {
            "image": self.image,
            "text": self.text,
            "audio": self.audio,
            "video": self.video,
        }
        return {modality: encoder.space for modality, encoder in encoders.items() if encoder is not None}

    def recipe(self, only: Sequence[Modality] = (), window_s: float = WINDOW_S, hop_s: float = HOP_S) -> DecodeSpec:
        """What decoding is to make of files for these encoders."""
        image, video = self.image, self.video
        frames = video.frame_transform if isinstance(video, VideoEncoder) else None
        return DecodeSpec(
            image=image.image_transform if image else None,
            frames=frames or (video.image_transform if isinstance(video, ImageEncoder) else None),
            sample_rate=self.audio.sample_rate if self.audio else None,
            texts=self.text is not None,
            window_s=window_s,
            hop_s=hop_s,
            only=frozenset(only),
        )
