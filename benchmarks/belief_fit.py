"""Part ``fits`` of case ``belief``: the level fits of `mini`, learned on a part of the data.

`learn` is given the photos, labels and queries of one half, or everything: the latter gives the catalogue's numbers,
which ``python benchmarks/belief.py --fits`` prints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from belief_data import (
    COMMON_LABELS,
    LANGUAGES,
    NOUNS,
    SOUND_WORDS,
    BeliefData,
    Floats,
    forms,
    letters,
)
from numpy.typing import NDArray
from synthetic import Gap, Generator

from mmsearch.retrieval.encoders.level_fits import Direction, LevelFit, best_of
from mmsearch.retrieval.evaluation.level_fitting import (
    ANSWERED_SHARE,
    Examples,
    answered_examples,
    fit_answer,
    fit_row,
    row_examples,
    spreads,
    unanswered_examples,
)
from mmsearch.retrieval.search.levels import LEAST_PROBABILITY, PRIOR
from mmsearch.types import Modality

SIZES = (300, 5_000, 100_000)
NOTES = (6, 100, 1_000)
# How far an answer logistic is lowered at most, in log-odds. If films were lowered more, most right ones would be weak.
MOST, FILMS_MOST = 7.5, 1.5
LARGEST_LOSS = 0.002  # of R@5 of photos by merging them with another kind, on the half learned from
_NO_GAP = Gap(0.0, 0.0, 0.0, 0.0)

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Half:
    """A part of photos, labels and queries.

    Attributes:
        photos: positions of photos.
        kinds: labels.
        seed: tells the parts of several splits apart.
        number: 0 or 1, which of the texts that nothing answers it has; None for all.
    """

    photos: Positions
    kinds: tuple[str, ...]
    seed: int = 0
    number: int | None = None

    def of(self, texts: list[str]) -> list[str]:
        """The half's share of some texts."""
        if self.number is None:
            return texts
        order = np.random.default_rng(self.seed).permutation(len(texts))
        return [texts[i] for i in order[self.number :: 2]]


def halves(data: BeliefData, seed: int) -> tuple[Half, Half]:
    """Two halves of everything."""
    rng = np.random.default_rng(seed)
    photos, kinds = rng.permutation(len(data.photos)), [data.kinds[i] for i in rng.permutation(len(data.kinds))]
    middle = len(photos) // 2, len(kinds) // 2
    return (
        Half(np.sort(photos[: middle[0]]), tuple(kinds[: middle[1]]), seed, 0),
        Half(np.sort(photos[middle[0] :]), tuple(kinds[middle[1] :]), seed, 1),
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """A collection of pictures, and queries that it answers or does not.

    Attributes:
        rows: of the pictures: first the photos, then the labelled ones, then generated ones.
        inside: the positions of the photos among all photos.
        captions: of these photos, and which row is right for each.
        words: nouns and labels in prompts, and the rows that are right.
        absent: for things in no picture: by name, ``things``, ``words``, ``labels``, ``letters``, ``languages``.
        outside: captions of photos that are not in.
    """

    rows: Floats
    inside: Positions
    captions: Floats
    caption_rows: list[Positions]
    words: Floats
    word_rows: list[Positions]
    absent: dict[str, Floats]
    outside: Floats


def make_scene(data: BeliefData, half: Half, size: int, *, captions: int = 300) -> Scene:
    """Four fifths of a half's photos and half of its labels, enlarged to ``size`` rows by vectors between them."""
    rng = np.random.default_rng(half.seed)
    drawn = rng.permutation(half.photos)
    inside, outside = np.sort(drawn[: 4 * len(drawn) // 5]), drawn[4 * len(drawn) // 5 :]
    kinds = half.kinds[: len(half.kinds) // 2]
    shown = np.array([label in kinds for label in data.labels])
    rows = np.concatenate([data.photos[inside], data.labelled[shown]])
    real = len(rows)
    if size > real:
        made = Generator(rows, _NO_GAP, seed=half.seed).pictures(size - real)
        rows = np.concatenate([rows, *(block.astype(np.float32) for block in made)])
    own = rng.permutation(np.flatnonzero(np.isin(data.photo_of, inside)))[:captions]
    others = rng.permutation(np.flatnonzero(np.isin(data.photo_of, outside)))[:captions]
    nouns = [(noun, np.flatnonzero(data.named(forms(noun))[inside])) for noun in half.of(NOUNS)]
    labels = [(k, len(inside) + np.flatnonzero(np.array(data.labels)[shown] == k)) for k in kinds]
    words = [(word, right) for word, right in (*nouns, *labels) if len(right)]
    missing = [kind for kind in half.kinds if kind not in kinds and kind not in COMMON_LABELS]
    return Scene(
        rows,
        inside,
        data.captions[own],
        [np.searchsorted(inside, data.photo_of[[i]]) for i in own],
        data.encode_queries([word for word, _ in words]),
        [right for _, right in words],
        {
            "things": data.encode(half.of(data.things)),
            "words": data.encode_queries(half.of(data.thing_words)),
            "labels": data.encode_queries(missing),
            "letters": data.encode_queries(half.of(letters())),
            "languages": data.encode_queries(half.of(LANGUAGES)),
        },
        data.captions[others],
    )


def learn(data: BeliefData, half: Half) -> dict[Direction, LevelFit]:
    """The fits of all directions that the data has."""
    image = _learn_images(data, half)
    text = _learn_texts(data, half, image)
    absent = np.concatenate(
        [data.encode(half.of(data.things)), data.encode_queries(half.of([*data.thing_words, *letters()]))]
    )
    sounds = _grown_as(image, _learn_sounds(data, half, absent), len(data.sounds.rows))
    return {
        ("text", "image"): image,
        ("text", "text"): text,
        ("text", "audio"): _lowered(sounds, image, [Mixture.draw(data, half, data.sounds.rows, "audio")]),
        # The films are too few to learn from; their frames are pictures.
        ("text", "video"): _lowered(
            image, image, [Mixture.draw(data, half, data.films.rows, "video")], most=FILMS_MOST
        ),
        ("image", "image"): _learn_examples(data, half),
        ("audio", "audio"): _grown_as(image, _learn_sound_examples(data), len(data.sounds.rows)),
        ("image", "text"): _learn_captions(data, half),
    }


def _learn_images(data: BeliefData, half: Half) -> LevelFit:
    answer, rows = Examples.of([], True), Examples.of([], True)
    for size in SIZES:
        scene = make_scene(data, half, size)
        answer += answered_examples(scene.captions, scene.rows, scene.caption_rows)
        answer += answered_examples(scene.words, scene.rows, scene.word_rows)
        for queries in (
            scene.absent["things"],
            scene.absent["words"],
            *([q] if len(q := scene.absent["labels"]) else []),
        ):
            answer += unanswered_examples(queries, scene.rows)
        noise = np.concatenate([scene.absent["letters"], scene.absent["languages"]])
        answer += unanswered_examples(noise, scene.rows)
    scene = make_scene(data, half, 0)
    rows = row_examples(scene.captions, scene.rows, scene.caption_rows)
    return LevelFit(fit_answer(weighed(answer)), fit_row(rows))


def weighed(examples: Examples, answered: float = ANSWERED_SHARE) -> Examples:
    """Examples with weights scaled so that a share of them has an answer."""
    weight = examples.weight.copy()
    for right, share in ((examples.right > 0, answered), (examples.right == 0, 1 - answered)):
        weight[right] *= share / weight[right].sum()
    return replace(examples, weight=weight)


def _fitted(queries: Floats, rows: Floats, right: list[Positions], absent: Floats) -> LevelFit:
    answer = answered_examples(queries, rows, right) + unanswered_examples(absent, rows)
    return LevelFit(fit_answer(weighed(answer)), fit_row(row_examples(queries, rows, right)))


def _grown_as(image: LevelFit, fit: LevelFit, rows: int) -> LevelFit:
    """A fit whose threshold grows with the number of rows as that of pictures: sounds and films are too few to tell."""
    answer = fit.answer
    growth = image.answer.rows / image.answer.cosine * answer.cosine
    intercept = answer.intercept + (answer.rows - growth) * float(best_of(np.log(rows)))
    return replace(fit, answer=replace(answer, rows=round(growth, 4), intercept=round(intercept, 4)))


def _learn_sounds(data: BeliefData, half: Half, absent: Floats) -> LevelFit:
    """A caption of a photo asks for no sound, though a dog may bark in one."""
    right_of = dict(zip(data.sounds.queries, data.sounds.right, strict=True))
    queries = [*data.sounds.queries, *SOUND_WORDS]
    right = [right_of[SOUND_WORDS.get(query, query)] for query in queries]
    vectors, captions = data.encode_queries(queries), data.captions[np.isin(data.photo_of, half.photos)][::3]
    answer = answered_examples(vectors, data.sounds.rows, right)
    answer += unanswered_examples(absent, data.sounds.rows) + unanswered_examples(captions, data.sounds.rows)
    none = [np.empty(0, np.int64)] * len(captions)
    nearest = row_examples(vectors, data.sounds.rows, right) + row_examples(captions, data.sounds.rows, none)
    return LevelFit(fit_answer(weighed(answer)), fit_row(nearest))


def _learn_examples(data: BeliefData, half: Half) -> LevelFit:
    """A picture as the query: other pictures of its label are right; among photos none is."""
    own = np.array([label in half.kinds for label in data.labels])
    rows, labels = data.labelled[own], np.array(data.labels)[own]
    photos = data.photos[half.photos]
    answered, nearest = Examples.of([], True), Examples.of([], True)
    for i in range(len(rows)):
        others = np.delete(np.arange(len(rows)), i)
        pool = np.concatenate([rows[others], photos])
        right = [np.flatnonzero(labels[others] == labels[i])]
        answered += answered_examples(rows[i : i + 1], pool, right, seed=i)
        nearest += row_examples(rows[i : i + 1], pool, right, seed=i)
    rare = rows[[label not in COMMON_LABELS for label in labels]]
    return LevelFit(fit_answer(weighed(answered + unanswered_examples(rare, photos))), fit_row(nearest))


def _learn_sound_examples(data: BeliefData) -> LevelFit:
    """A sound as the query: other sounds of its kind are right; among those of other kinds none is."""
    rows = data.sounds.rows
    answer, nearest = Examples.of([], True), Examples.of([], True)
    for own in data.sounds.right:
        others = np.setdiff1d(np.arange(len(rows)), own)
        answer += unanswered_examples(rows[own], rows[others])
        for asked in own:
            pool = np.delete(np.arange(len(rows)), asked)
            right = [np.flatnonzero(np.isin(pool, own))]
            answer += answered_examples(rows[[asked]], rows[pool], right, seed=int(asked))
            nearest += row_examples(rows[[asked]], rows[pool], right, seed=int(asked))
    return LevelFit(fit_answer(weighed(answer)), fit_row(nearest))


def _learn_captions(data: BeliefData, half: Half) -> LevelFit:
    """A photo as the query: its captions are right; those of other photos are wrong for a labelled picture."""
    inside = np.flatnonzero(np.isin(data.photo_of, half.photos))
    right = [np.flatnonzero(data.photo_of[inside] == photo) for photo in half.photos]
    rare = data.labelled[[label in half.kinds and label not in COMMON_LABELS for label in data.labels]]
    return _fitted(data.photos[half.photos], data.captions[inside], right, rare)


def _learn_texts(data: BeliefData, half: Half, image: LevelFit) -> LevelFit:
    """A text as the query: other captions of the same photo are right.

    Texts are nearer to a text than any picture, and a note of another scene may be nearer than the picture of this one.
    So the answer logistic is lowered until merging with notes of other scenes costs the pictures next to nothing.
    """
    inside = np.flatnonzero(np.isin(data.photo_of, half.photos))
    captions, photo = data.captions[inside], data.photo_of[inside]
    right = [np.flatnonzero(photo == own) for own in photo]
    answered, nearest = Examples.of([], True), Examples.of([], True)
    for i in np.random.default_rng(half.seed).permutation(len(captions))[:250]:
        others = np.delete(np.arange(len(captions)), i)
        own = [np.searchsorted(others, right[i][right[i] != i][:1])]
        pool = np.setdiff1d(np.arange(len(others)), np.searchsorted(others, right[i][right[i] != i][1:]))
        own = [np.searchsorted(pool, own[0])]
        answered += answered_examples(captions[i : i + 1], captions[others][pool], own, seed=int(i))
        nearest += row_examples(captions[i : i + 1], captions[others][pool], own, seed=int(i))
    absent = data.encode(half.of([*data.things, *data.thing_words, *letters(), *LANGUAGES]))
    fit = LevelFit(fit_answer(weighed(answered + unanswered_examples(absent, captions))), fit_row(nearest))
    told = np.flatnonzero(np.isin(data.photo_of, Mixture.photos(half)[1]))
    notes = np.random.default_rng(half.seed).permutation(told)
    mixtures = [Mixture.draw(data, half, data.captions[notes[:count]], "text") for count in NOTES]
    return _lowered(fit, image, mixtures)


def _lowered(fit: LevelFit, image: LevelFit, mixtures: list[Mixture], most: float = MOST) -> LevelFit:
    """A fit with a stricter answer logistic: merging its rows with pictures costs the pictures next to nothing."""
    losses: list[tuple[float, LevelFit]] = []
    for lower in np.arange(0.0, most + 0.1, 0.5):
        lowered = replace(fit, answer=replace(fit.answer, intercept=round(fit.answer.intercept - float(lower), 4)))
        losses.append((max(mixture.loss(image, lowered) for mixture in mixtures), lowered))
        if losses[-1][0] <= LARGEST_LOSS:
            break
    return min(losses, key=lambda one: one[0])[1]


@dataclass(frozen=True, slots=True)
class Mixture:
    """Photos and rows of another kind, which say nothing of the photos that are asked for by their captions.

    Attributes:
        pictures: cosines of each query with all pictures.
        others: with all other rows.
        right: the position of the right picture.
        spreads: of pictures and other rows, for each query.
        prior: of the other kind.
    """

    pictures: Floats
    others: Floats
    right: Positions
    spreads: tuple[NDArray[np.float64], NDArray[np.float64]]
    prior: float

    @staticmethod
    def photos(half: Half) -> tuple[Positions, Positions]:
        """The fifth of a half's photos that is asked for, and the others."""
        photos = np.random.default_rng(half.seed).permutation(half.photos)
        return photos[: len(photos) // 5], photos[len(photos) // 5 :]

    @classmethod
    def draw(cls, data: BeliefData, half: Half, others: Floats, modality: Modality) -> Mixture:
        """All photos of a half, and other rows."""
        asked, told = cls.photos(half)
        queries = np.flatnonzero(np.isin(data.photo_of, asked))
        pictures = data.photos[np.concatenate([asked, told])]
        vectors = data.captions[queries]
        place = {int(photo): i for i, photo in enumerate(asked)}
        return cls(
            vectors @ pictures.T,
            vectors @ others.T,
            np.array([place[int(photo)] for photo in data.photo_of[queries]]),
            (spreads(vectors, pictures), spreads(vectors, others)),
            PRIOR[modality],
        )

    def loss(self, image: LevelFit, other: LevelFit, k: int = 5) -> float:
        """R@k among the pictures less R@k in the merged list."""
        keys = [
            _keys(cosines, spread, fit, prior)
            for cosines, spread, fit, prior in (
                (self.pictures, self.spreads[0], image, 0.0),
                (self.others, self.spreads[1], other, self.prior),
            )
        ]
        own = keys[0][np.arange(len(self.right)), self.right][:, None]
        alone = (keys[0] > own).sum(axis=1)
        merged = alone + (keys[1] > own).sum(axis=1)
        return float((alone < k).mean() - (merged < k).mean())


def _keys(cosines: Floats, spread: NDArray[np.float64], fit: LevelFit, prior: float) -> NDArray[np.float64]:
    """What lists are ordered by, as one number: the level, then the match."""

    about = (cosines, spread[:, None], float(np.log(cosines.shape[1])))
    probability = 1 / (1 + np.exp(-fit.answer_logits(*about)))
    level = sum((probability >= least).astype(int) for least in LEAST_PROBABILITY.values())
    return np.asarray(1000.0 * level + fit.row_logits(*about) + prior)
