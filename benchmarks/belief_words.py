"""Part ``words`` of case ``belief``: one word as a query, bare and in prompts; and two words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from belief_data import BeliefData, Bools, Floats

from mmsearch.retrieval.encoders.catalogue import resolve

CANDIDATES = (
    "{word}", "{article} {word}", "the {word}", "with {word}", "with the {word}", "in the {word}",
    "{article} {word} in the picture", "one {word}", "there is {article} {word}", "a photo of {article} {word}",
    "{article} {word} and {article} {word}", "next to {article} {word}", "of {word}",
)  # fmt: skip
SPLITS, PROMPTS = 5, 4


def average_precision(scores: Floats, right: Bools) -> float:
    """Mean of the precision at the rank of each right row."""
    found = right[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(found) / np.arange(1, len(found) + 1))[found].mean())


def precision_at_5(scores: Floats, right: Bools) -> float:
    """The share of right rows among the first five."""
    return float(right[np.argsort(-scores, kind="stable")[:5]].mean())


class Words:
    """Every short query in every candidate prompt."""

    def __init__(self, data: BeliefData) -> None:
        self.data, self.sets = data, data.words()
        catalogue = resolve("mini").prompts
        self.prompts = list(dict.fromkeys((*CANDIDATES, *catalogue)))
        self.catalogue = [self.prompts.index(prompt) for prompt in catalogue]
        self.vectors = {
            name: np.stack([self._encode(p, list(own)) for p in self.prompts]) for name, own in self.sets.items()
        }

    def _encode(self, prompt: str, words: list[str]) -> Floats:
        return self.data.encode([prompt.format(word=w, article="an" if w[0] in "aeiou" else "a") for w in words])

    def score(self, name: str, chosen: Sequence[int], photos: Bools, queries: Bools) -> tuple[float, float]:
        """mAP and P@5 of a set with some prompts, on some photos and queries; the words of one set, named ``mixed``,
        look among labels100 too."""
        among = photos if name == "mixed" else photos & (np.arange(len(photos)) < len(self.data.photos))
        cosines = self.vectors[name][list(chosen)].mean(axis=0) @ self.data.gallery[among].T
        rights = [right[among] for right in self.sets[name].values()]
        kept = [i for i, right in enumerate(rights) if queries[i] and right.any()]
        return (
            float(np.mean([average_precision(cosines[i], rights[i]) for i in kept])),
            float(np.mean([precision_at_5(cosines[i], rights[i]) for i in kept])),
        )

    def learn(self, photos: Bools, queries: dict[str, Bools]) -> list[int]:
        """The prompts that are best together, added one after the other."""
        chosen: list[int] = []
        while len(chosen) < PROMPTS:
            gains = [
                sum(sum(self.score(name, [*chosen, i], photos, queries[name])) for name in self.sets)
                for i in range(len(self.prompts))
            ]
            chosen.append(int(np.argmax(gains)))
        return chosen


def measure_words(data: BeliefData) -> list[dict[str, Any]]:
    """A line for each set: on all of it, and on halves of photos and words that prompts were not chosen on."""
    words = Words(data)
    everything = np.ones(len(data.gallery), np.bool_)
    ways = {"bare": [0], "a …": [1], "catalogue's prompts": words.catalogue}
    halves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for seed in range(SPLITS):
        rng = np.random.default_rng(seed)
        photos = rng.random(len(data.gallery)) < 0.5
        queries = {name: rng.random(len(own)) < 0.5 for name, own in words.sets.items()}
        learned = words.learn(photos, queries)
        for way, chosen in {**ways, "prompts learned on the other half": learned}.items():
            for name in words.sets:
                halves.setdefault((name, way), []).append(words.score(name, chosen, ~photos, ~queries[name]))
    lines = []
    for name, own in words.sets.items():
        for way, chosen in ways.items():
            whole = words.score(name, chosen, everything, np.ones(len(own), np.bool_))
            lines.append(_line(name, way, "all", len(own), whole))
        for way in (*ways, "prompts learned on the other half"):
            half = np.mean(halves[name, way], axis=0)
            lines.append(_line(name, way, f"other half, {SPLITS} splits", len(own), (float(half[0]), float(half[1]))))
    return lines


def _line(name: str, way: str, on: str, queries: int, score: tuple[float, float]) -> dict[str, Any]:
    figures = {"mAP": round(score[0], 4), "P@5": round(score[1], 4)}
    return {"part": "words", "set": name, "embedded": way, "on": on, "queries": queries, **figures}
