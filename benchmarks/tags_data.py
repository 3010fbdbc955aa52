"""What is right for labels: photographs by their captions or labels, sounds by their kinds, films by their captions.

A photograph shows what two of its five captions name. What one caption names, or what a word of the same sense names,
is left out: nobody knows. Labels of labels100 are right for their three photographs alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from belief_data import ABSENT, ABSENT_WORDS, NOUNS, VERBS, BeliefData, Bools, Floats, read_lines
from data import data_set
from numpy.typing import NDArray

from mmsearch.library.tagging.labels import KINDS, vocabulary

SAME_SENSE = {
    "dog": "puppy puppies dalmatian poodle collie terrier greyhound greyhounds retriever canine hound",
    "man": "guy male gentleman people", "woman": "lady ladies female people",
    "child": "kid kids toddler boy girl boys girls baby", "bike": "bicycle bicycles motorbike motorcycle",
    "bicycle": "bike bikes", "ball": "football soccer basketball baseball", "mountain": "hill cliff",
    "beach": "shore sand", "water": "ocean lake river sea pool waves surf wave", "car": "vehicle truck",
    "rock": "cliff boulder boulders", "field": "grass grassy", "grass": "grassy field lawn",
    "street": "road sidewalk", "hat": "cap beanie", "jacket": "coat",
    "motorbike": "motorcycle motorcycles bike bikes motocross", "soccer ball": "soccer football",
    "chair": "seat", "airplane": "plane", "ferry": "boat boats ship", "pigeon": "bird birds",
    "electric guitar": "guitars", "grand piano": "piano", "umbrella": "umbrellas", "bonsai": "plant",
    "laptop": "computer", "dalmatian": "dogs dog spotted",
}  # fmt: skip
# Labels of labels100 that a noun is right for; among the others the noun may be there too.
ALSO = {"dog": ["dalmatian"], "bird": ["pigeon", "flamingo", "rooster"], "car": ["car"]}
SURELY_ABSENT = ("dog", "bird")  # nouns that no other photograph of labels100 shows, but a few that are left out
UNSURE_FOR_DOG = ["leopard", "llama", "wheelchair", "umbrella", "ferry", "car"]
ODD = ("planet", "recipe", "contract", "lightning", "locomotive", "menu")  # somewhere in the photographs after all
# Parts of words: sounds of these may be in the clips of ESC-10.
HEARD = re.compile(
    "dog|rain|wave|water|baby|cry|clock|tick|sneez|helicopter|plane|chainsaw|saw|rooster|fire|crackl|chick|hen|engine"
    "|storm|sob|whin|cough|shower|fry|sizz|static|noise|drone|splash|stream|river|lawn|wind|animal|bird|machine|cuckoo"
)


@dataclass(frozen=True)
class Truth:
    """Labels, and for each row whether it shows them: 1, 0, or -1 for nobody knows; int8 ``[labels, rows]``.

    The last ``absent`` labels are of things that no row shows.
    """

    labels: list[str]
    rows: Floats
    shown: NDArray[np.int8]
    absent: int


class TagData:
    """The data of case ``tags``."""

    def __init__(self) -> None:
        self.data = BeliefData()

    @property
    def photos(self) -> int:
        """How many rows of `pictures` are photographs with captions."""
        return len(self.data.photos)

    @cached_property
    def pictures(self) -> Truth:
        """Nouns and activities of captions, kinds of labels100, and absent things, among all photographs."""
        data, labels, shown = self.data, list[str](), list[NDArray[np.int8]]()
        kinds = np.array(data.labels)
        unknown = np.full(len(kinds), -1, np.int8)
        for noun in NOUNS:
            labels.append(noun)
            own = unknown
            if noun in SURELY_ABSENT:
                own = np.isin(kinds, ALSO[noun]).astype(np.int8)
                own[np.isin(kinds, UNSURE_FOR_DOG) & (noun == "dog")] = -1
            elif noun in ALSO:
                own = np.where(np.isin(kinds, ALSO[noun]), 1, -1).astype(np.int8)
            shown.append(np.concatenate([self._named(forms(noun), noun), own]))
        for verb, own_forms in VERBS.items():
            labels.append(verb)
            shown.append(np.concatenate([self._named(set(own_forms.split()), verb), unknown]))
        for kind in sorted(set(data.labels) - {"car"}):
            labels.append(kind)
            maybe = self._count(forms(kind) | set(SAME_SENSE.get(kind, "").split())) > 0
            shown.append(np.concatenate([np.where(maybe, -1, 0), kinds == kind]).astype(np.int8))
        every = set[str]().union(*(words for captions in data.words_of for words in captions))
        absent = [word for word in ABSENT_WORDS if not forms(word) & every and word not in ODD]
        absent += [re.sub("^(an?|the) ", "", thing) for thing in ABSENT]
        nothing = np.zeros((len(absent), len(data.gallery)), np.int8)
        return Truth([*labels, *absent], data.gallery, np.concatenate([np.stack(shown), nothing]), len(absent))

    @cached_property
    def sounds(self) -> Truth:
        """The ten kinds of ESC-10, and sounds that are surely not in its clips."""
        sounds = self.data.sounds
        shown = np.zeros((len(sounds.queries), len(sounds.rows)), np.int8)
        for line, right in zip(shown, sounds.right, strict=True):
            line[right] = 1
        heard = [label.name for label in vocabulary("everyday", None, ("audio",))[1]]
        absent = [name for name in heard if not HEARD.search(name)]
        nothing = np.zeros((len(absent), len(sounds.rows)), np.int8)
        return Truth([*sounds.queries, *absent], sounds.rows, np.concatenate([shown, nothing]), len(absent))

    @cached_property
    def words(self) -> list[set[str]]:
        """Of each photograph the words of all its captions."""
        return [set[str]().union(*captions) for captions in self.data.words_of]

    @cached_property
    def film_words(self) -> list[set[str]]:
        """Of each row of a film the words of all captions of the film."""
        films = self.data.films
        found: list[set[str]] = [set() for _ in films.rows]
        for query, right in zip(films.queries, films.right, strict=True):
            for row in right.tolist():
                found[row] |= set(re.findall("[a-z]+", query.lower()))
        return found

    def encode(self, texts: list[str]) -> Floats:
        """Texts as unit vectors."""
        return self.data.encode(texts)

    def _count(self, words: set[str]) -> NDArray[np.int64]:
        return np.array([sum(bool(words & own) for own in captions) for captions in self.data.words_of])

    def _named(self, words: set[str], label: str) -> NDArray[np.int8]:
        strict, loose = self._count(words), self._count(words | set(SAME_SENSE.get(label, "").split()))
        return np.where(strict >= 2, 1, np.where(loose >= 1, -1, 0)).astype(np.int8)


def forms(label: str) -> set[str]:
    """The last word of a label in its forms, as captions have them."""
    word = label.split()[-1]
    plural = {"man": "men", "woman": "women", "child": "children", "person": "people"}.get(word, word)
    found = {word, f"{word}s", f"{word}es", plural}
    return found | {f"{word[:-1]}ies"} if word.endswith("y") else found


def collections(
    truth: Truth, rows: Bools, photos: int, rng: np.random.Generator
) -> list[tuple[str, NDArray[np.int64]]]:
    """Rows as collections of several kinds: all, one data set alone, few at random, forty that look alike."""
    every = np.flatnonzero(rows)
    found = [("all", every)]
    if photos < len(truth.rows):
        found += [("captioned", every[every < photos]), ("single things", every[every >= photos])]
    for count in (10, 30, 100):
        found += [(f"{count} at random", rng.permutation(every)[:count]) for _ in range(4) if count < len(every)]
    for _ in range(6):
        near = np.argsort(-(truth.rows[every] @ truth.rows[rng.choice(every)]))[:40]
        found.append(("40 alike", every[near]))
    return found


def everyday(modality: str) -> list[str]:
    """The everyday words for a modality."""
    assert modality in KINDS
    return [label.name for label in vocabulary("everyday", None, (modality,))[1]]


__all__ = ["TagData", "Truth", "collections", "data_set", "everyday", "forms", "read_lines"]
