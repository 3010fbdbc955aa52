"""Where somebody speaks: utterances are found in sounds that come in parts of any size; noise and music hold none."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
import wave

import numpy as np
import pytest

from mmsearch.retrieval.enrich.speech.voice import LONGEST_S, VOICE_RATE, SpeechFinder, Utterance, VoiceProbability


def found(sound: np.ndarray, part: int = 16_000, **options: float) -> list[Utterance]:
    finder = SpeechFinder(**options)
    utterances = [u for at in range(0, len(sound), part) for u in finder.add(sound[at : at + part])]
    return utterances + list(finder.finish())


def spans(utterances: list[Utterance]) -> list[tuple[float, float]]:
    return [(u.start_s, u.start_s + len(u.samples) / VOICE_RATE) for u in utterances]


def test_an_utterance_is_what_lies_between_two_pauses(voices):
    sound = np.concatenate(
        [voices.silence(2), voices.say("fire", "alarm"), voices.silence(3), voices.say("harbour"), voices.silence(2)]
    )
    ((start, end), (second_start, _)) = spans(found(sound))
    assert 1.7 < start < 2.3
    assert 3.6 < end < 4.4
    assert 6.4 < second_start < 7.1


def test_the_samples_of_an_utterance_are_those_of_the_sound(voices):
    sound = np.concatenate([voices.silence(1), voices.say("kitchen", "fire"), voices.silence(2)])
    (utterance,) = found(sound)
    at = round(utterance.start_s * VOICE_RATE)
    assert np.array_equal(utterance.samples, sound[at : at + len(utterance.samples)])


@pytest.mark.parametrize("part", [511, 512, 16_000, 160_000])
def test_it_does_not_matter_in_which_parts_a_sound_comes(voices, part):
    sound = np.concatenate([voices.silence(1), voices.say("fire", "alarm"), voices.silence(2), voices.say("invoice")])
    expected, got = found(sound, part=len(sound)), found(sound, part=part)
    assert spans(got) == spans(expected)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(got, expected, strict=True))


def test_a_sound_may_begin_and_end_within_speech(voices):
    sound = voices.say("harbour", "fire")
    ((start, end),) = spans(found(sound))
    assert start < 0.3
    assert end == pytest.approx(len(sound) / VOICE_RATE, abs=0.4)


@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_there_is_no_speech_in_silence_and_noise(voices, kind):
    assert found(getattr(voices, kind)(5)) == []


@pytest.mark.parametrize("frequency", [200, 440, 1000])
def test_there_is_no_speech_in_a_tone(frequency):
    time = np.arange(5 * VOICE_RATE) / VOICE_RATE
    assert found(0.3 * np.sin(2 * np.pi * frequency * time).astype(np.float32)) == []


def test_there_is_no_speech_in_an_empty_sound():
    assert found(np.empty(0, np.float32)) == []


def test_long_speech_is_cut_between_words_and_nothing_is_lost(voices):
    sound = np.concatenate([voices.say(*["fire", "alarm", "harbour"] * 30), voices.silence(2)])
    utterances = found(sound)
    assert len(utterances) >= 3
    assert all(len(u.samples) <= LONGEST_S * VOICE_RATE for u in utterances)
    for (_, end), (start, _) in zip(spans(utterances), spans(utterances)[1:], strict=False):
        assert end == pytest.approx(start)
    cut = round(spans(utterances)[0][1] * VOICE_RATE)
    assert np.abs(sound[cut - 256 : cut]).max() < 0.1, "between two words"


def test_long_speech_is_cut_earlier_if_asked(voices):
    utterances = found(np.concatenate([voices.say(*["fire"] * 40), voices.silence(2)]), longest_s=8.0)
    assert len(utterances) >= 4
    assert all(len(u.samples) <= 8 * VOICE_RATE for u in utterances)


def test_a_long_sound_takes_no_more_memory_than_an_utterance(voices):
    minute = np.concatenate([voices.say(*["fire", "alarm"] * 15), voices.noise(30)])
    finder = SpeechFinder()
    list(finder.add(minute))
    tracemalloc.start()
    for _ in range(5):
        for _ in finder.add(minute):
            pass
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8 * LONGEST_S * VOICE_RATE


def test_real_speech_is_found(tmp_path):
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng")
    path = tmp_path / "speech.wav"
    text = "The harbour is closed tonight because of the storm, and the last ferry has left."
    subprocess.run(["espeak-ng", "-w", str(path), text], check=True)
    with wave.open(str(path)) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(data, np.int16) / 32768
    at = np.arange(int(len(samples) / rate * VOICE_RATE)) * rate / VOICE_RATE
    sound = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    ((start, end),) = spans(found(sound))
    assert end - start > 0.8 * len(sound) / VOICE_RATE


def test_probabilities_come_one_for_each_frame(voices):
    probabilities = VoiceProbability().of(np.concatenate([voices.noise(0.512), voices.say("fire")])[:16_384])
    assert probabilities.shape == (32,)
    assert probabilities[:14].max() < 0.5 < probabilities[20:].max()
