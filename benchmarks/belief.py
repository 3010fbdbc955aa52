"""Case ``belief``: whether a person can believe a list. Three parts, all with `mini` on evaluation data alone.

- ``words``: one word as a query, bare and in prompts.
- ``mixtures``: photographs, notes, sounds and films in one list: where the right photograph stands in it, and where
  among the photographs alone.
- ``answers``: whether the level tells searches that have an answer from those that have none: AUROC and expected
  calibration error. Beside it the same on vectors recorded with real CLIP models.

Fits are learned on one half of photos and queries, figures are those of the other half, over five splits.
``python benchmarks/belief.py --fits`` learns on everything and prints the numbers of the catalogue.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from belief_data import BeliefData, Floats, read_lines
from belief_fit import NOTES, SIZES, Half, Mixture, Scene, halves, learn, make_scene, weighed
from belief_words import measure_words
from data import data_set
from numpy.typing import NDArray
from synthetic import Gap, Generator

from mmsearch import Collection
from mmsearch.indexes import MatchSample
from mmsearch.retrieval.encoders.level_fits import Direction, LevelFit, direction_name
from mmsearch.retrieval.evaluation.level_fitting import (
    Examples,
    answered_examples,
    best_rows,
    fit_answer,
    fit_row,
    row_examples,
    unanswered_examples,
)
from mmsearch.retrieval.evaluation.level_scores import auroc, calibration_error, probabilities
from mmsearch.retrieval.search.levels import LEAST_PROBABILITY
from mmsearch.retrieval.store.manifest import load_manifest, save_manifest
from mmsearch.types import Modality
from mmsearch.unit import normalize_rows

SPLITS = 5
ASKED: dict[Modality, str] = {"image": "photos", "text": "notes", "audio": "sounds", "video": "films"}
QUERIES = 250  # of a mixture
SHARES = {"half": 1 / 2, "2 of 3": 2 / 3, "6 of 7": 6 / 7}  # of searches that have an answer
CLIP_SETS = ("photos_memorylens_290", "amazon_products_997")  # of one model; the texts of each are absent in the other


def measure() -> list[dict[str, Any]]:
    """Lines of all parts.

    Raises:
        MissingDataError: a data set is not here.
    """
    data = BeliefData()
    lines = measure_words(data)
    mixtures: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for seed in range(SPLITS):
        for one, other in (halves(data, seed),):
            fits = learn(data, one)
            for size in SIZES:
                for notes in NOTES:
                    mixtures += measure_mixture(data, other, fits, size, notes)
                answers += measure_answers(make_scene(data, other, size), fits["text", "image"], size)
    keys = ("part", "set", "rows", "notes", "asked")
    lines += means(mixtures, keys) + means(answers, keys)
    return lines + means(measure_recorded(), keys)


def means(lines: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Lines of several splits as one, by what they are about."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in lines:
        groups.setdefault(tuple(line.get(key) for key in keys), []).append(line)
    return [
        {
            name: round(float(np.mean([line[name] for line in group])), 4) if isinstance(value, float) else value
            for name, value in group[0].items()
        }
        for group in groups.values()
    ]


# --- mixtures ---------------------------------------------------------------------------------------------------


def measure_mixture(
    data: BeliefData, half: Half, fits: dict[Direction, LevelFit], size: int, notes: int
) -> list[dict[str, Any]]:
    """R@5 of captions on their photos, and on notes that say the same, alone and in the list of all kinds.

    A fifth of the half's photos are asked for, the others are told of in notes. Further pictures are vectors between
    those of the other photos and of labelled pictures.
    """
    rng = np.random.default_rng([half.seed, notes])
    asked, told = Mixture.photos(half)
    queries = rng.permutation(np.flatnonzero(np.isin(data.photo_of, asked)))[:QUERIES]
    chosen = rng.permutation(np.flatnonzero(np.isin(data.photo_of, told)))[:notes]
    pictures = np.concatenate([data.photos[asked], data.photos[told], data.labelled])[: max(size, len(half.photos))]
    if size > len(pictures):
        made = Generator(pictures[len(asked) :], Gap(0, 0, 0, 0), seed=half.seed).pictures(size - len(pictures))
        pictures = np.concatenate([pictures, *(block.astype(np.float32) for block in made)])
    lines = []
    # Photos are right, then notes: of each photo asked for, another caption lies there in place of the photo.
    right = [{int(np.flatnonzero(asked == data.photo_of[query])[0])} for query in queries]
    texts = [data.caption_texts[query] for query in queries]
    lines.append(_mixed(data, fits, pictures, chosen, texts, "image", right))
    same = np.array([next(j for j in np.flatnonzero(data.photo_of == data.photo_of[q]) if j != q) for q in queries])
    kept = queries[: max(len(asked), 1)]
    notes_of_asked = same[: len(kept)]
    places = [{len(chosen) + i} for i in range(len(kept))]
    told_too = np.concatenate([chosen, notes_of_asked])
    lines.append(_mixed(data, fits, pictures[len(asked) :], told_too, texts[: len(kept)], "text", places))
    words = words_of_one([data.caption_texts[note] for note in chosen], rng)
    named = [{place} for place in words.values()]
    lines.append({**_mixed(data, fits, pictures, chosen, list(words), "text", named), "asked": "words of notes"})
    if notes == NOTES[0]:
        lines += [
            _mixed(data, fits, pictures, chosen, own.queries, kind, [set(rows.tolist()) for rows in own.right])
            for kind, own in (("audio", data.sounds), ("video", data.films))
        ]
    return [{"part": "mixtures", "rows": size, "notes": notes, **line} for line in lines]


def words_of_one(texts: Sequence[str], rng: np.random.Generator, count: int = 50) -> dict[str, int]:
    """Words of five letters or more that only one of some texts has, and which one: ``count`` of them at random."""
    places: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        for word in set(re.findall("[a-z]{5,}", text.lower())):
            places.setdefault(word, []).append(place)
    rare = sorted(word for word, own in places.items() if len(own) == 1)
    return {rare[i]: places[rare[i]][0] for i in rng.permutation(len(rare))[:count]}


def _mixed(
    data: BeliefData,
    fits: dict[Direction, LevelFit],
    pictures: Floats,
    notes: NDArray[np.int64],
    texts: list[str],
    kind: Modality,
    right: Sequence[set[int]],
) -> dict[str, Any]:
    """R@5 of the right rows of one kind: alone, merged as before, and as the library merges them."""
    vectors = data.encode(texts)
    rows = {"image": pictures, "text": data.captions[notes], "audio": data.sounds.rows, "video": data.films.rows}
    with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini", index="exact") as collection:
        ids = {}
        for modality, own in rows.items():
            names = [f"{modality}{i}" for i in range(len(own))]
            spoken = {"texts": [data.caption_texts[note] for note in notes]} if modality == "text" else {}
            ids[modality] = collection.add(own, paths=names, modality=modality, **spoken)
        manifest = load_manifest(Path(root))
        named = {direction_name(direction): fit.to_json() for direction, fit in fits.items()}
        save_manifest(Path(root), replace(manifest, level_fits={manifest.primary_space or "": named}))
        collection.reopen()
        alone, merged = (
            np.array(
                [
                    any(hit.id in {int(ids[kind][place]) for place in places} for hit in hits)
                    for hits, places in zip(collection.search_many(texts, 5, to=to), right, strict=True)
                ]
            )
            for to in (kind, None)
        )
    before = _before(vectors, rows, kind, right)
    return {
        "asked": ASKED[kind],
        "queries": len(texts),
        "R@5 alone": float(alone.mean()),
        "R@5 before": float(before.mean()),
        "R@5": float(merged.mean()),
        "loss before": float(alone.mean() - before.mean()),
        "loss": float(alone.mean() - merged.mean()),
    }


def _before(vectors: Floats, rows: dict[Modality, Floats], kind: str, right: Sequence[set[int]]) -> NDArray[np.bool_]:
    """Whether a right row is among the first five by its z-score, as lists were ordered before."""
    found = []
    for vector, places in zip(vectors, right, strict=True):
        z_scores = {}
        for modality, own in rows.items():
            count = min(len(own), 1024)
            sample = MatchSample(np.arange(count), own[:count])
            z_scores[modality], _ = sample.z_scores(vector, np.arange(len(own)), own @ vector)
        best = float(z_scores[kind][list(places)].max())
        found.append(sum(int((z > best).sum()) for z in z_scores.values()) < 5)
    return np.array(found)


# --- answers ----------------------------------------------------------------------------------------------------


def measure_answers(scene: Scene, fit: LevelFit, size: int) -> list[dict[str, Any]]:
    """Lines for captions against things in no picture, words against words, all, and captions of other photos."""
    has = {"captions": scene.captions, "words": scene.words}
    none = {name: queries for name, queries in scene.absent.items() if len(queries)}
    everything = list(none)
    sets = {
        "captions / things": (["captions"], ["things"]),
        "captions / all that is absent": (["captions"], everything),
        "words / words": (["words"], [name for name in ("words", "labels") if name in none]),
        "all / all that is absent": (["captions", "words"], everything),
    }
    lines = []
    for name, (answered, unanswered) in sets.items():
        right = [best_rows(has[one], scene.rows) for one in answered]
        wrong = [best_rows(none[one], scene.rows) for one in unanswered]
        lines.append({"part": "answers", "set": name, "rows": size, **_told_apart(right, wrong, fit)})
    outside = [best_rows(scene.outside, scene.rows)]
    apart = _told_apart([best_rows(scene.captions, scene.rows)], outside, fit)
    lines.append({"part": "answers", "set": "captions / captions of photos that are not in", "rows": size, **apart})
    return lines


def _told_apart(right: list[NDArray[np.float64]], wrong: list[NDArray[np.float64]], fit: LevelFit) -> dict[str, Any]:
    """AUROC of the raw cosine, of the match before and of the level; ECE for several shares of answered searches."""
    examples = Examples.of([], True)
    for group, answered in ((right, True), (wrong, False)):
        for one in group:
            examples += Examples.of(one, answered, 1 / len(group))
    cosine, spread, _ = examples.features.T
    stated = probabilities(fit, examples)
    there = examples.right > 0
    return {
        "AUROC of the cosine": auroc(cosine, examples),
        "AUROC before": auroc(cosine / spread, examples),
        "AUROC": auroc(fit.answer_logits(*examples.features.T), examples),
        **{
            f"ECE, {name} answered": calibration_error(stated, weighed(examples, share))
            for name, share in SHARES.items()
        },
        **{
            f"{level} or better, {name}": float(np.average(stated[own] >= least, weights=examples.weight[own]))
            for name, own in (("answered", there), ("not", ~there))
            for level, least in LEAST_PROBABILITY.items()
            if least
        },
    }


# --- recorded vectors of a real model -----------------------------------------------------------------------------


def measure_recorded() -> list[dict[str, Any]]:
    """The same with vectors of a real CLIP model: the texts of either set are for nothing in the other."""
    lines = []
    for name, absent in (CLIP_SETS, CLIP_SETS[::-1]):
        images, texts, right = _recorded(name)
        _, others, _ = _recorded(absent)
        for seed in range(SPLITS):
            rng = np.random.default_rng(seed)
            order, nothing = rng.permutation(len(texts)), rng.permutation(len(others))
            for size in (len(images), *SIZES[1:]):
                rows = images
                if size > len(images):
                    made = Generator(images, Gap(0, 0, 0, 0), seed=seed).pictures(size - len(images))
                    rows = np.concatenate([images, *(block.astype(np.float32) for block in made)])
                half, rest = order[: len(order) // 2], order[len(order) // 2 :]
                learned = answered_examples(texts[half], rows, [right[i] for i in half]) + unanswered_examples(
                    others[nothing[: len(nothing) // 2]], rows
                )
                fit = LevelFit(fit_answer(learned), fit_answer(learned))
                apart = _told_apart(
                    [best_rows(texts[rest], rows)], [best_rows(others[nothing[len(nothing) // 2 :]], rows)], fit
                )
                lines.append({"part": "answers", "set": f"{name} / {absent}", "rows": size, **apart})
    return lines


def _recorded(name: str) -> tuple[Floats, Floats, list[NDArray[np.int64]]]:
    """Pictures, texts, and the rows that are right for each text."""
    folder = data_set("recorded_clip") / name
    images, texts = (normalize_rows(np.load(folder / f"{one}.npy").astype(np.float32)) for one in ("image", "text"))
    pairs = read_lines(folder / "pairs.jsonl")
    return images, texts[[pair["query_row"] for pair in pairs]], [np.array(pair["relevant_rows"]) for pair in pairs]


def learn_recorded() -> LevelFit:
    """Text → image of the recorded CLIP model, learned on both of its sets."""
    answer, rows = Examples.of([], True), Examples.of([], True)
    for name, absent in (CLIP_SETS, CLIP_SETS[::-1]):
        images, texts, right = _recorded(name)
        _, others, _ = _recorded(absent)
        answer += answered_examples(texts, images, right) + unanswered_examples(others, images)
        rows += row_examples(texts, images, right)
    return LevelFit(fit_answer(answer), fit_row(rows))


def print_fits() -> None:
    """The numbers of the catalogue, learned on everything."""
    data = BeliefData()
    fits = learn(data, Half(np.arange(len(data.photos)), tuple(data.kinds)))
    for direction, fit in (*fits.items(), ("ViT-B-32/openai, text → image", learn_recorded())):
        answer, row = (
            ", ".join(f"{value:.4g}" for value in (one.cosine, one.spread, one.rows, one.intercept))
            for one in (fit.answer, fit.row)
        )
        print(f"{direction}: LevelFit(Logistic({answer}), Logistic({row})),", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["--fits"]:
        sys.exit("belief.py --fits prints the fits; benchmarks/run.py belief measures")
    print_fits()
