"""Lists the sounds with words for them, and caches YAMNet's features of each patch, at two levels.

    python -m training.sounds --sources FOLDER --exclude FOLDER --work FOLDER

Writes `sounds.jsonl` (a row: `file`, `part`, `label`, `texts`, `start`, `count` of its patches) and `sounds.npz`
(`features` float16 [patches, 1024]). Sounds that are made here (`made …`) are exact: tones, beeps, noise, ticks.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from mmsearch.retrieval.encoders.mini.mel import SAMPLE_RATE, log_mel_patches
from training.yamnet import Yamnet

WORDS = {  # label: what people might call its sound
    "dog": ("a dog barking", "dog bark", "a barking dog", "a dog", "woof of a dog", "dogs barking outside"),
    "rain": ("rain falling", "rain", "the sound of rain", "heavy rain on a roof", "rainfall", "a rainy day"),
    "sea": ("sea waves", "waves on the beach", "the ocean", "the sea", "waves breaking on the shore", "surf"),
    "baby": ("a baby crying", "a crying baby", "a baby", "an infant cries", "baby cry", "a newborn crying"),
    "clock": ("a clock ticking", "tick tock of a clock", "a ticking clock", "a clock", "a watch ticking"),
    "sneeze": ("a person sneezing", "a sneeze", "someone sneezes", "sneezing", "achoo"),
    "helicopter": ("a helicopter flying", "a helicopter", "helicopter rotor", "a chopper overhead"),
    "chainsaw": ("a chainsaw running", "a chainsaw", "chain saw", "cutting a tree with a chainsaw"),
    "rooster": ("a rooster crowing", "a rooster", "cock-a-doodle-doo", "a cock crows", "a crowing rooster on a farm"),
    "fire": ("a crackling fire", "fire crackling", "a campfire", "a fire burning", "flames", "a fireplace"),
    "air conditioner": ("an air conditioner", "the hum of a fan", "air conditioning", "ventilation noise"),
    "car horn": ("a car horn", "a car honking", "honk", "cars honking in traffic", "beep of a car horn"),
    "children": ("children playing", "kids playing outside", "children shouting on a playground", "kids laughing"),
    "drill": ("drilling", "an electric drill", "a drill", "a power drill in a wall"),
    "engine": ("an engine idling", "a motor running", "a car engine", "a truck with its engine running"),
    "gunshot": ("a gunshot", "a gun shot", "gun fire", "someone shooting a gun", "a bang"),
    "jackhammer": ("a jackhammer", "road works with a jackhammer", "a pneumatic drill breaking concrete"),
    "siren": ("a siren", "a police siren", "an ambulance siren", "an emergency vehicle", "a fire truck siren"),
    "street music": ("street music", "music in the street", "a street musician", "a band playing outdoors"),
    "bird": ("a bird singing", "birds chirping", "birdsong", "a bird", "birds in the morning"),
    "cat": ("a cat meowing", "meow", "a cat", "a kitten mewing", "a meowing cat"),
    "cow": ("a cow mooing", "moo", "a cow", "cattle", "cows on a farm"),
    "lion": ("a lion roaring", "a lion", "roar of a lion", "a big cat growling"),
    "sheep": ("a sheep bleating", "a sheep", "baa", "a lamb", "bleating sheep"),
    "frog": ("a frog croaking", "a frog", "frogs at a pond", "ribbit"),
    "monkey": ("a monkey screaming", "a monkey", "chattering monkeys"),
    "donkey": ("a donkey braying", "a donkey", "hee-haw"),
}
URBAN = ("air conditioner", "car horn", "children", "dog", "drill", "engine", "gunshot", "jackhammer", "siren")
ESC = ("dog", "rain", "sea", "baby", "clock", "sneeze", "helicopter", "chainsaw", "rooster", "fire")
ANIMALS = {"Aslan": "lion", "Esek": "donkey", "Inek": "cow", "Kedi": "cat", "Koyun": "sheep", "Kurbaga": "frog"} | {
    "Kus": "bird",
    "Maymun": "monkey",
}
MIDI_NOISES = {
    "122-seashore": "sea",
    "123-bird-tweet": "bird",
    "125-helicopter": "helicopter",
    "127-gunshot": "gunshot",
}
DIRT = {"birds": "bird", "birds3": "bird", "fire": "fire", "crow": "crow", "insect": "insects", "wind": "wind"} | {
    "coins": "coins",
    "breath": "breath",
    "sitar": "sitar",
    "tabla": "tabla",
    "bottle": "bottle",
    "can": "can",
    "hh": "hi-hat",
    "clubkick": "kick drum",
    "sd": "snare drum",
}
STAMPS_NOT = ("_desc",)
LONGEST = 8 * SAMPLE_RATE  # more of one sound teaches little
Row = dict[str, Any]


def phrases(label: str) -> list[str]:
    return list(WORDS.get(label, (f"a {label}", label, f"the sound of a {label}", f"{label} sound")))


def esc10(sources: Path) -> list[Row]:
    """Folds 3 to 5; fold 5 also serves for validation while the recipe is chosen."""
    rows = []
    for path in sorted((sources / "esc10").rglob("*.ogg")):
        if path.name[0] in "345":
            label = ESC[int(path.parent.name[:3]) - 1]
            rows.append(
                {"file": path, "label": label, "kind": "esc10", "part": "val" if path.name[0] == "5" else "train"}
            )
    return rows


def urbansound(sources: Path, exclude: Path) -> list[Row]:
    """At most four clips of a recording: they are slices of the same sound."""
    excluded = {Path(line).name for line in (exclude / "urbansound8k.txt").read_text().split()}
    rows = []
    taken: dict[str, int] = defaultdict(int)
    for path in sorted((sources / "us8k").rglob("*.wav")):
        recording = path.name.split("-")[0]
        if path.name not in excluded and taken[recording] < 4:
            taken[recording] += 1
            number = int(path.name.split("-")[1])
            label = (*URBAN, "street music")[number]
            rows.append({"file": path, "label": label, "kind": "urban", "part": "train"})
    return rows


def instruments(sources: Path, each: int, rng: random.Random) -> list[Row]:
    rows = []
    for folder in sorted((sources / "phil/audio").iterdir()):
        files = sorted(folder.rglob("*.mp3"))
        for path in rng.sample(files, min(each, len(files))):
            label = path.parent.name if folder.name == "percussion" else folder.name
            rows.append({"file": path, "label": label.replace("-", " "), "kind": "orchestra", "part": "train"})
    for folder in sorted((sources / "gm/package/samples").iterdir()):
        files = sorted(folder.rglob("*.mp3"))
        label = MIDI_NOISES.get(folder.name) or folder.name.split("-", 1)[1].replace("-", " ")
        if "fx " not in label and "pad " not in label and "lead " not in label:
            for path in rng.sample(files, min(5, len(files))):
                rows.append({"file": path, "label": label, "kind": "midi", "part": "train"})
    return rows


def small_sounds(sources: Path) -> list[Row]:
    rows = []
    for folder in sorted((sources / "animals").iterdir()):
        label = ANIMALS.get(folder.name.split("-")[0])
        if label:  # dogs and hens are left out: ESC's may be among them
            for path in sorted(folder.glob("*.wav")):
                rows.append({"file": path, "label": label, "kind": "animals", "part": "train"})
    for name, label in DIRT.items():
        for path in sorted((sources / "dirt" / name).glob("*.wav")):
            rows.append({"file": path, "label": label, "kind": "dirt", "part": "train"})
    for path in sorted((sources / "stamps").rglob("*.ogg")):
        if "_desc" not in path.name and "_" not in path.stem[-6:]:
            text = path.with_suffix(".txt")
            if text.exists():
                words = text.read_text(encoding="utf-8").splitlines()[0].strip()
                row = {"file": path, "label": path.stem.replace("_", " "), "kind": "stamps", "part": "train"}
                rows.append(row | {"texts": [words, f"the sound of {words.rstrip('.').lower()}"]})
    return rows


def made(rng: np.random.Generator) -> list[tuple[NDArray[np.float32], list[str]]]:
    """Sounds with exact captions."""
    sounds = []

    def times(seconds: float) -> NDArray[np.float64]:
        return np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE

    for _ in range(40):
        t = times(rng.uniform(1, 4))
        low, high = rng.uniform(80, 220), rng.uniform(900, 3500)
        level = rng.uniform(0.05, 0.5)
        sounds += [
            (np.sin(2 * np.pi * low * t) * level, ["a low hum", "a low tone", "a deep humming tone"]),
            (np.sin(2 * np.pi * high * t) * level, ["a high tone", "a high-pitched tone", "a whistle tone"]),
            (rng.standard_normal(len(t)) * level * 0.5, ["white noise", "static", "hiss"]),
            (
                np.sin(2 * np.pi * (low * t + (high - low) * t**2 / 2 / t[-1])) * level,
                ["a rising tone", "a tone going up"],
            ),
            (
                np.sin(2 * np.pi * (high * t - (high - low) * t**2 / 2 / t[-1])) * level,
                ["a falling tone", "a tone going down"],
            ),
            (
                np.sin(2 * np.pi * high * t) * level * (t % 0.5 < 0.15),
                ["beeping", "beeps", "a beep repeated", "an alarm beeping"],
            ),
            (rng.standard_normal(len(t)) * level * (t % 0.5 < 0.01), ["clicks", "regular clicking", "ticking clicks"]),
            (rng.standard_normal(len(t)) * 0.0005, ["silence", "nothing to hear", "a silent recording"]),
        ]
    return [(sound.astype(np.float32), texts) for sound, texts in sounds]


def decode(path: Path) -> NDArray[np.float32]:
    """Mono samples at 16 kHz, at most 8 s."""
    chunks = []
    with av.open(str(path), metadata_errors="ignore") as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        for frame in container.decode(audio=0):
            chunks += [f.to_ndarray()[0] for f in resampler.resample(frame)]
        chunks += [f.to_ndarray()[0] for f in resampler.resample(None)]
    return np.concatenate(chunks)[:LONGEST] if chunks else np.zeros(0, np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("sources", "exclude", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    rng = random.Random(12)
    rows = [
        *esc10(given.sources),
        *urbansound(given.sources, given.exclude),
        *instruments(given.sources, 40, rng),
        *small_sounds(given.sources),
    ]
    exact = made(np.random.default_rng(12))
    rows += [
        {"file": f"made {i}", "label": t[0], "kind": "made", "part": "train", "texts": t}
        for i, (_, t) in enumerate(exact)
    ]
    torch.set_num_threads(1)
    network = Yamnet(torch.load(given.work / "yamnet.pt", weights_only=True)).eval()
    features, start, kept = [], 0, []
    for row in rows:
        if row["kind"] == "made":
            sound = exact[int(row["file"].split()[1])][0]
        else:
            try:
                sound = decode(row["file"])
            except av.error.FFmpegError:
                continue
            row["file"] = str(row["file"].relative_to(given.sources))
        if len(sound) < 800:
            continue
        if len(kept) % 500 == 0:
            print(len(kept), len(rows), flush=True)
        sound = sound * 10 ** rng.uniform(-0.4, 0.2)  # levels differ between microphones
        with torch.no_grad():
            found = network(torch.from_numpy(log_mel_patches(sound))).numpy().astype(np.float16)
        row.setdefault("texts", phrases(row["label"]))
        kept.append(row | {"start": start, "count": len(found)})
        features.append(found)
        start += len(found)
    np.savez(given.work / "sounds.npz", features=np.concatenate(features))
    (given.work / "sounds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    print(len(kept), "sounds,", start, "patches")


if __name__ == "__main__":
    main()
