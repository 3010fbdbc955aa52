"""Which model embeds what, if a collection has several: one for each modality; and what decoding makes for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmsearch.errors import CannotEmbedError
from mmsearch.retrieval.encoders.protocol import (
    AudioEncoder,
    Encoder,
    ImageEncoder,
    TextEncoder,
    Transcriber,
    VideoEncoder,
)
from mmsearch.retrieval.media.decode_spec import HOP_S, WINDOW_S, DecodeSpec
from mmsearch.types import Modality, Space


def as_text_encoder(encoder: Encoder) -> TextEncoder:
    """The encoder, if it embeds texts.

    Raises:
        CannotEmbedError: it does not.
    """
    if isinstance(encoder, TextEncoder):
        return encoder
    raise CannotEmbedError(f"model {encoder.space.model} does not embed texts")


def as_image_encoder(encoder: Encoder) -> ImageEncoder:
    """The encoder, if it embeds pictures.

    Raises:
        CannotEmbedError: it does not.
    """
    if isinstance(encoder, ImageEncoder):
        return encoder
    raise CannotEmbedError(f"model {encoder.space.model} does not embed pictures")


@dataclass(frozen=True, slots=True)
class ModelRouting:
    """The encoders of a run, and which of them embeds each modality.

    A modality without a space, or whose encoder does not embed it, is not embedded.

    Attributes:
        encoders: the encoders.
        space_by_modality: for each modality, the key of the space that it is embedded into.
        transcriber: what turns the speech in sounds and films into text; None: nothing does.
    """

    encoders: tuple[Encoder, ...]
    space_by_modality: Mapping[Modality, str]
    transcriber: Transcriber | None = None

    @classmethod
    def single(cls, encoder: Encoder, *, texts: bool = True) -> ModelRouting:
        """One encoder for all of its modalities; ``texts``: False leaves out texts."""
        return cls((encoder,), {m: encoder.space.key for m in encoder.modalities if texts or m != "text"})

    @classmethod
    def of(cls, encoders: Sequence[Encoder], space_by_modality: Mapping[Modality, str]) -> ModelRouting:
        """The encoders by modality as ``space_by_modality`` says; for others, the first that embeds the modality."""
        able = {m: encoder.space.key for encoder in reversed(encoders) for m in encoder.modalities}
        return cls(tuple(encoders), {**able, **space_by_modality})

    @property
    def text(self) -> TextEncoder | None:
        """What embeds texts."""
        encoder = self._of("text")
        return encoder if isinstance(encoder, TextEncoder) else None

    @property
    def listener(self) -> Transcriber | None:
        """What turns speech into text, if texts are embedded."""
        return self.transcriber if self.text is not None else None

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

    def decode_spec(
        self, only: Sequence[Modality] = (), window_s: float = WINDOW_S, hop_s: float = HOP_S
    ) -> DecodeSpec:
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
            speech=self.listener is not None,
        )


def decode_spec_of(encoder: Encoder) -> DecodeSpec:
    """What decoding is to make of a file for this encoder."""
    return ModelRouting.single(encoder).decode_spec()
