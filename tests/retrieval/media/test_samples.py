from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from mmsearch import Collection, Record


def test_the_first_seconds_of_sounds_are_given_at_a_rate(tmp_path: Path):
    tone = np.sin(2 * np.pi * 440 * np.arange(12 * 16_000) / 16_000)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((tone * 20_000).astype("<i2").tobytes())
    (tmp_path / "none.wav").write_bytes(b"no sound")
    records = [
        Record(id=number, path=str(tmp_path / name), modality="audio", state="current")
        for number, name in enumerate(("tone.wav", "none.wav"))
    ]
    whole, nothing = Collection.samples(records, rate=8000, seconds=60)
    assert nothing is None
    assert whole is not None
    assert len(whole) == 12 * 8000
    spectrum = np.abs(np.fft.rfft(whole[8000:16000]))
    assert int(np.argmax(spectrum)) == 440
    (start,) = Collection.samples(records[:1], rate=8000, seconds=5)
    assert start is not None
    assert len(start) == 5 * 8000
