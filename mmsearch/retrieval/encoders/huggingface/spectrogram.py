"""CLAP's input: log-mel spectrograms, with the values of transformers' extractor, computed five times as fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError

Padding = Literal["repeatpad", "repeat", "pad"]
_FLOOR = 1e-10


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """A Hann-windowed short-time Fourier transform, its power in triangular bands of the mel scale (Slaney's), in dB.

    ``samples`` is the length that every sound is brought to, at ``sample_rate`` a second; a shorter one is repeated
    as often as it fits whole and followed by silence (*repeatpad*), repeated to the end (*repeat*), or only followed
    by silence (*pad*).
    """

    sample_rate: int
    samples: int
    padding: Padding
    fft: int
    hop: int
    bands: int
    lowest_hz: float
    highest_hz: float

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Spectrogram:
        """From the settings of a ``ClapFeatureExtractor``; what they leave out is its default.

        Raises:
            ModelUnavailableError: they are of no such extractor.
        """
        try:
            rate = int(settings.get("sampling_rate", 48_000))
            made = cls(
                sample_rate=rate,
                samples=int(settings.get("max_length_s", 10) * rate),
                padding=settings.get("padding", "repeatpad"),
                fft=int(settings.get("fft_window_size", 1024)),
                hop=int(settings.get("hop_length", 480)),
                bands=int(settings.get("feature_size", 64)),
                lowest_hz=float(settings.get("frequency_min", 0)),
                highest_hz=float(settings.get("frequency_max", 14_000)),
            )
            sizes = (made.sample_rate, made.samples, made.fft, made.hop, made.bands)
            if min(sizes) < 1 or made.padding not in get_args(Padding):
                raise ValueError("out of range")
        except (TypeError, ValueError) as error:
            raise ModelUnavailableError(f"these are no settings of CLAP's feature extractor ({error})") from None
        return made

    def __call__(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """The spectrogram of mono samples ``[at most samples]``, float32 ``[1 + samples // hop, bands]`` in dB."""
        import torch
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(
            num_frequency_bins=self.fft // 2 + 1,
            num_mel_filters=self.bands,
            min_frequency=self.lowest_hz,
            max_frequency=self.highest_hz,
            sampling_rate=self.sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        # In float64: in float32 a loud tone adds rounding errors to the quiet bands, which the logarithm makes visible.
        waves = torch.stft(
            torch.from_numpy(self.padded(sound).astype(np.float64)),
            self.fft,
            self.hop,
            window=torch.hann_window(self.fft, dtype=torch.float64),
            return_complex=True,
        )
        power = waves.real.square() + waves.imag.square()
        decibels = 10 * torch.log10((power.T @ torch.from_numpy(filters)).clamp(min=_FLOOR))
        return np.asarray(decibels.numpy(), np.float32)

    def padded(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sound at the length ``samples``. Depends on this sound alone, not on others in a batch."""
        if self.padding == "repeat":
            return np.resize(sound, self.samples)
        times = self.samples // len(sound) if self.padding == "repeatpad" else 1
        full = np.zeros(self.samples, np.float32)
        full[: times * len(sound)] = np.tile(sound, times)
        return full
