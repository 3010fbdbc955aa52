"""Names of groups: the words of a vocabulary that are nearest to what sets a group apart from the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmsearch.library.groups.cluster import Floats
from mmsearch.unit import normalize_rows

LEAST_SURE = 4.2
"""A word that is so many standard deviations nearer than words are on average fits well; measured in decision 48."""

WORDS_TOLD = 5
_SECOND = 0.8  # of the nearness of the first word: so near a second one is named, too
_ALIKE = 0.4  # cosine of two words, the average word taken off: nearer ones say the same
_USUAL = 1.25
"""So much nearer are the words taken to be that a group was called by before."""
_LETTERS = re.compile(r"[^\W\d_]+")
_LEAST_LETTERS = 4
_MOST_COMMON = 0.5  # of texts: words in more of all texts than that set none apart


@dataclass(frozen=True, slots=True)
class Name:
    """What a group is called.

    Attributes:
        text: one word or two that no other group is called by.
        is_sure: whether they fit well.
        words: the nearest words.
    """

    text: str
    is_sure: bool
    words: tuple[str, ...]


def names_by_vectors(middles: Floats, words: Sequence[str], vectors: Floats, earlier: Sequence[str] = ()) -> list[Name]:
    """Name groups by vectors of words.

    Args:
        middles: of the groups, the collection's mean taken off; unit vectors ``[groups, dim]``.
        words: the vocabulary.
        vectors: of the words, unit vectors ``[words, dim]``.
        earlier: what each group was called before, empty where it is new; its words stay if they are about as near as
            the nearest.
    """
    directions = normalize_rows(vectors - vectors.mean(axis=0))
    nearness = middles @ directions.T
    nearness -= nearness.mean(axis=1, keepdims=True)
    nearness /= np.maximum(nearness.std(axis=1, keepdims=True), 1e-6)
    ranks = nearness.copy()
    number_of = {word: number for number, word in enumerate(words)}
    for group, name in enumerate(earlier):
        known = [number_of[word] for word in name.split(", ") if word in number_of]
        ranks[group, known] *= _USUAL
    order = np.argsort(-ranks, axis=1, kind="stable")
    names: dict[int, Name] = {}
    taken: set[str] = set()
    for group in np.argsort(-ranks.max(axis=1), kind="stable").tolist():
        ranked = order[group]
        first = next((word for word in ranked.tolist() if words[word] not in taken), int(ranked[0]))
        taken.add(words[first])
        near = [words[word] for word in ranked[:WORDS_TOLD].tolist()]
        second = _second(first, ranked[:WORDS_TOLD].tolist(), ranks[group], words, directions)
        name = words[first] + ("" if second is None else f", {words[second]}")
        names[group] = Name(name, bool(nearness[group, first] >= LEAST_SURE), tuple(near))
    return [names[group] for group in range(len(middles))]


def _second(
    first: int, ranked: Sequence[int], nearness: Floats, words: Sequence[str], directions: Floats
) -> int | None:
    """Another word that is about as near as the first and says something else; None if there is none."""
    parts = set(words[first].split())
    for word in ranked:
        if word == first or nearness[word] < _SECOND * nearness[first]:
            continue
        if float(directions[word] @ directions[first]) < _ALIKE and parts.isdisjoint(words[word].split()):
            return word
    return None


def names_by_texts(texts: Sequence[Sequence[str]]) -> list[Name]:
    """Name groups by words that are common in their texts and rare in those of others (class-based TF-IDF).

    Args:
        texts: of each group, some of its texts.
    """
    counts = [Counter(word for text in own for word in {*_words(text)}) for own in texts]
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    documents = sum(len(own) for own in texts)
    mean = documents / max(1, len(texts))
    names: list[Name] = []
    taken: set[str] = set()
    for own, count in zip(texts, counts, strict=True):
        scores = {
            word: number / max(1, len(own)) * float(np.log1p(mean / total[word]))
            for word, number in count.items()
            if total[word] <= max(_MOST_COMMON * documents, len(own)) and (number > 1 or len(own) < 3)
        }
        ranked = sorted(scores, key=lambda word: (-scores[word], word))
        chosen = [word for word in ranked if word not in taken][:2]
        taken.update(chosen)
        share = count[chosen[0]] / max(1, len(own)) if chosen else 0.0
        names.append(Name(", ".join(chosen) or "unnamed", share >= 1 / 3, tuple(ranked[:WORDS_TOLD])))
    return told_apart(names)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _LETTERS.findall(text) if len(word) >= _LEAST_LETTERS]


def told_apart(names: Sequence[Name]) -> list[Name]:
    """The same names, with a number after those that are there twice."""
    seen: Counter[str] = Counter()
    apart = []
    for name in names:
        seen[name.text] += 1
        text = name.text if seen[name.text] == 1 else f"{name.text} ({seen[name.text]})"
        apart.append(Name(text, name.is_sure, name.words))
    return apart
