"""Where somebody speaks: how much of espeak-ng's speech is found, how much of ESC-10's sounds is taken for it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from data import MissingDataError, data_set
from numpy.typing import NDArray

from mmsearch.retrieval.enrich.speech.voice import VOICE_RATE, SpeechFinder
from mmsearch.retrieval.media.sounds.sound import Sound

SENTENCES = {
    "en": ("The harbour is closed tonight because of the storm.", "Please send the invoice to the office by Friday."),
    "de": ("Der Hafen ist heute Abend wegen des Sturms geschlossen.", "Bitte schicken Sie die Rechnung bis Freitag."),
    "fr": ("Le port est fermé ce soir à cause de la tempête.", "Merci d'envoyer la facture avant vendredi."),
    "es": ("El puerto está cerrado esta noche por la tormenta.", "Por favor, envíe la factura antes del viernes."),
    "pt": ("O porto está fechado esta noite por causa da tempestade.", "Por favor, envie a fatura até sexta-feira."),
    "cmn": ("今天晚上因为暴风雨港口关闭。", "请在星期五之前把发票寄到办公室。"),
}
VARIANTS = ("", "+f3", "+m7", "+whisper")
NOISE_DB = 10.0  # of speech above the sounds it is mixed with


def measure() -> list[dict[str, Any]]:
    """One line for speech, one for speech within other sounds, one for these sounds alone, one for the speed."""
    if shutil.which("espeak-ng") is None:
        raise MissingDataError("needs the program espeak-ng")
    sounds = {path.name: sound_of(path) for path in sorted((data_set("esc10_fold1") / "audio").iterdir())}
    spoken = list(speech())
    loud = [sound for sound in sounds.values() if np.abs(sound).max() > 0.05]
    mixed = [(voice, mix(sound, loud[i % len(loud)])) for i, (voice, sound) in enumerate(spoken)]
    return [
        hits("speech", spoken),
        hits(f"speech {NOISE_DB:.0f} dB above a sound", mixed),
        {
            "what": "sounds without speech",
            "count": len(sounds),
            "seconds": round(sum(map(len, sounds.values())) / VOICE_RATE, 1),
            "taken_for_speech": sum(heard(sound) > 0 for sound in sounds.values()),
            "seconds_taken": round(sum(map(heard, sounds.values())), 1),
            "which": sorted(name for name, sound in sounds.items() if heard(sound)),
        },
        speed(np.concatenate([sound for _, sound in spoken] + list(sounds.values()))),
    ]


def hits(what: str, spoken: list[tuple[str, NDArray[np.float32]]]) -> dict[str, Any]:
    """How many recordings have an utterance, and how many seconds of them lie in one; whispers counted apart."""
    whispered = [sound for voice, sound in spoken if voice.endswith("whisper")]
    voiced = [sound for voice, sound in spoken if not voice.endswith("whisper")]
    return {
        "what": what,
        "count": len(voiced),
        "found": sum(heard(sound) > 0 for sound in voiced),
        "share_of_seconds": round(sum(map(heard, voiced)) * VOICE_RATE / sum(map(len, voiced)), 3),
        "whispers": len(whispered),
        "whispers_found": sum(heard(sound) > 0 for sound in whispered),
    }


def heard(sound: NDArray[np.float32]) -> float:
    """Seconds of a sound that lie in an utterance."""
    finder = SpeechFinder()
    return sum(len(u.samples) for u in [*finder.add(sound), *finder.finish()]) / VOICE_RATE


def speed(sound: NDArray[np.float32]) -> dict[str, Any]:
    """How many seconds of sound are listened to in a second, on one thread: the median of five rounds."""
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        heard(sound)
        rates.append(len(sound) / VOICE_RATE / (time.perf_counter() - start))
    return {"what": "speed", "times_real_time": round(sorted(rates)[2]), "threads": 1}


def speech() -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Sentences by voices of espeak-ng, with the voice's name."""
    with tempfile.TemporaryDirectory() as folder:
        for language, sentences in SENTENCES.items():
            for variant in VARIANTS:
                for text in sentences:
                    path = Path(folder, "said.wav")
                    subprocess.run(["espeak-ng", "-v", language + variant, "-w", str(path), text], check=True)
                    yield language + variant, sound_of(path)


def mix(voice: NDArray[np.float32], sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The voice over a sound that is as much fainter as `NOISE_DB` says."""
    under = np.resize(sound, len(voice))
    gain = np.sqrt(np.mean(voice**2) / max(float(np.mean(under**2)), 1e-9)) * 10 ** (-NOISE_DB / 20)
    mixed = voice + gain * under
    return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


def sound_of(path: Path) -> NDArray[np.float32]:
    """A file as mono samples at 16 kHz."""
    with path.open("rb") as file:
        windows = list(Sound(file, path.suffix[1:], VOICE_RATE, window_s=1.0, hop_s=1.0).windows())
    parts, end = [], 0
    for window in windows:
        start = round(window.start_s * VOICE_RATE)
        parts.append(window.samples[max(0, end - start) :])
        end = start + len(window.samples)
    return np.concatenate(parts)
