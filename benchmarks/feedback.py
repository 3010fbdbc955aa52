"""Case ``feedback``: what marking hits does for the photographs that are not marked yet.

A simulated person looks at the list of a query and marks 1, 3 or 5 photographs: the first hits (right ones as liked,
the others as not liked), only the first right ones, or only the first wrong ones. Then mAP and recall of the
photographs that were not marked are compared before and after. Marked photographs are taken out of both rankings, so
that the marks themselves are no gain. Queries and photographs are split in halves five times: the constants of each
formula are chosen on one half, by the mean gain in mAP over kinds of queries and marks, and the figures are those of
the other half. Queries that mean two scenes are sums of two captions, made for this case; nothing is chosen by them.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from numpy.typing import NDArray

from mmsearch import Collection
from mmsearch.retrieval.search.feedback import LIKED, UNLIKED, refine
from mmsearch.unit import normalize_rows

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Formula = Callable[[Floats, Floats, Floats, Floats], Floats]
"""From a query ``[dim]``, what is liked, what is not, and the photographs (``[n, dim]``) to a query."""

SPLITS = 5
TWO_SCENES = "two scenes, one meant"
MARKS = (1, 3, 5)
MOST_QUERIES = 200  # of one kind in one half
FEWEST_QUERIES = 50  # of a line, over all splits
FEWEST_RIGHT = 3  # photographs of a noun in one half
_NOUNS = """
    dog man woman girl boy child baby ball beach water snow grass street bike car tree mountain field hat shirt dress
    rock pool river sand boat bench wall jacket road lake helmet fence hill ocean rope toy bridge fountain park backpack
    building cliff bicycle climber table stick frisbee
"""
NOUNS = _NOUNS.split()
PLURALS = {"man": "men", "woman": "women", "child": "children", "baby": "babies", "ball": "balls"}
LABELS_OF_NOUN = {"dog": ["dalmatian"], "car": ["car"], "bike": ["motorbike"], "boat": ["ferry"]}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of query.

    Attributes:
        name: as in the results.
        model: that the vectors are of.
        photos: unit vectors, float32 ``[n, dim]``.
        queries: unit vectors, float32 ``[q, dim]``.
        right: which photographs are right, bool ``[q, n]``.
        group: photographs with the same number stay in one half, with the queries of that number; int64 ``[n]``.
        query_group: of each query, int64 ``[q]``.
        several: whether a query has several right photographs.
    """

    name: str
    model: str
    photos: Floats
    queries: Floats
    right: Bools
    group: NDArray[np.int64]
    query_group: NDArray[np.int64]
    several: bool = True


@dataclass(frozen=True, slots=True)
class Half:
    """One half of the queries and photographs of a kind."""

    photos: Floats
    queries: Floats
    right: Bools


def measure() -> list[dict[str, Any]]:
    """Lines for each kind of query, kind of marks and number of marks, and for each formula.

    Raises:
        MissingDataError: a data set is not here.
    """
    every = list(kinds())
    natural = [kind for kind in every if kind.name != TWO_SCENES]
    lines: list[dict[str, Any]] = []
    for count in MARKS:
        families = candidates()
        chosen = {family: choose(natural, own, count) for family, own in families.items()}
        lines += [{"formula": name, "marked": count, "chosen": values} for name, values in chosen.items()]
        formulas = {family: own[chosen[family]] for family, own in families.items()}
        formulas["ours"] = families["ours"][LIKED, UNLIKED]  # the same for all numbers of marks
        for kind in every:
            for marks in kinds_of_marks(kind):
                rows = [row for _, half in halves(kind) for row in run(half, marks, count, list(formulas.values()))]
                if len(rows) >= FEWEST_QUERIES:
                    about = {"queries_of": kind.name, "model": kind.model, "marks": marks, "marked": count}
                    lines.append({**about, "queries": len(rows), **gains(rows, list(formulas))})
    return lines


def gains(rows: Sequence[Sequence[tuple[float, float]]], names: Sequence[str]) -> dict[str, float]:
    """mAP and recall without marks, and the points that each formula adds; means over queries."""
    before, *after = np.mean(rows, axis=0)
    found = {"mAP": round(float(before[0]), 3), "recall": round(float(before[1]), 3)}
    for i, measured in enumerate(("mAP", "recall")):
        found |= {
            f"{name}_{measured}": round(100 * float(value[i] - before[i]), 1)
            for name, value in zip(names, after, strict=True)
        }
    return found


def kinds_of_marks(kind: Kind) -> tuple[str, ...]:
    """What a person may mark of the list of a query."""
    return ("first", "liked", "not liked") if kind.several else ("not liked",)


# --- formulas --------------------------------------------------------------------------------------------------


def candidates() -> dict[str, dict[tuple[float, ...], Formula]]:
    """Formulas by family and by their constants."""
    ours = {(b, c): partial(_ours, (b, c)) for b in (0.5, 0.75, 1.0, 1.5, 2.0) for c in (0.0, 0.05, 0.1, 0.2)}
    rocchio = {(b, c): partial(_rocchio, b, c) for b in (0.1, 0.2, 0.4, 0.7, 1.0) for c in (0.0, 0.05, 0.1, 0.2)}
    ridge = {
        (liked, unliked, penalty): partial(_ridge, liked, unliked, penalty)
        for liked in (5.0, 8.0, 15.0)
        for unliked in (0.0, 1.0, 2.0)
        for penalty in (0.3, 1.0, 3.0)
    }
    return {"ours": dict(ours), "rocchio": dict(rocchio), "ridge": dict(ridge)}


def _ours(weights: tuple[float, float], query: Floats, liked: Floats, unliked: Floats, photos: Floats) -> Floats:
    return refine(query, liked, unliked, [photos], weights)


def _rocchio(towards: float, away: float, query: Floats, liked: Floats, unliked: Floats, _: Floats) -> Floats:
    """The formula as it is in books."""
    refined = query.copy()
    if len(liked):
        refined += towards * liked.mean(axis=0)
    if len(unliked):
        refined -= away * unliked.mean(axis=0)
    return refined


def _ridge(
    liked_match: float,
    unliked_match: float,
    penalty: float,
    query: Floats,
    liked: Floats,
    unliked: Floats,
    photos: Floats,
) -> Floats:
    """Ridge regression around the query: ``w = q + X' (X X' + penalty I)^-1 (y - X q)``. X are the marks less the mean
    photograph; y says by how many standard deviations of the query's cosines marked photographs should stand out."""
    mean = photos.mean(axis=0)
    centred = photos - mean
    marks = np.concatenate([liked, unliked]) - mean
    wanted = np.repeat([liked_match, unliked_match], [len(liked), len(unliked)]) * float(np.std(centred @ query))
    scale = penalty * float(np.square(centred).sum(axis=1).mean())
    solved = np.linalg.solve(marks @ marks.T + scale * np.eye(len(marks)), wanted - marks @ query)
    return (query + marks.T @ solved).astype(np.float32)


def choose(every: Sequence[Kind], formulas: Mapping[tuple[float, ...], Formula], count: int) -> tuple[float, ...]:
    """The constants with the greatest mean gain in mAP on the first halves, for so many marks."""
    found = []
    for kind in every:
        for marks in kinds_of_marks(kind):
            rows = [row for half, _ in halves(kind) for row in run(half, marks, count, list(formulas.values()))]
            if len(rows) >= FEWEST_QUERIES:
                before, *after = np.mean(rows, axis=0)[:, 0]
                found.append(np.array(after) - before)
    return list(formulas)[int(np.mean(found, axis=0).argmax())]


# --- what is measured ------------------------------------------------------------------------------------------


def halves(kind: Kind) -> Iterator[tuple[Half, Half]]:
    """Five splits of queries and photographs in halves: to choose by, and to state figures of."""
    for split in range(SPLITS):
        rng = np.random.default_rng(split)
        side = rng.integers(0, 2, int(max(kind.group.max(), kind.query_group.max())) + 1) == 0
        both = []
        for first in (True, False):
            photos = side[kind.group] == first
            queries = np.flatnonzero(side[kind.query_group] == first)
            least = FEWEST_RIGHT if kind.several and kind.right.sum(axis=1).max() > FEWEST_RIGHT else 1
            queries = queries[kind.right[np.ix_(queries, photos)].sum(axis=1) >= least]
            queries = rng.permutation(queries)[:MOST_QUERIES]
            both.append(Half(kind.photos[photos], kind.queries[queries], kind.right[np.ix_(queries, photos)]))
        yield both[0], both[1]


def run(half: Half, marks: str, count: int, formulas: Sequence[Formula]) -> list[list[tuple[float, float]]]:
    """mAP and recall of what is not marked, for each query: without marks, and by each formula.

    Queries for which there are fewer such photographs to mark, or no right one is left, are passed over.
    """
    rows = []
    for query, right in zip(half.queries, half.right, strict=True):
        order = np.argsort(-(half.photos @ query), kind="stable")
        wanted = {"first": order, "liked": order[right[order]], "not liked": order[~right[order]]}[marks][:count]
        left = np.ones(len(right), np.bool_)
        left[wanted] = False
        if len(wanted) < count or not (right & left).any():
            continue
        liked, unliked = half.photos[wanted[right[wanted]]], half.photos[wanted[~right[wanted]]]
        refined = [query, *(formula(query, liked, unliked, half.photos) for formula in formulas)]
        rows.append([scores(half.photos[left] @ vector, right[left]) for vector in refined])
    return rows


def scores(cosines: Floats, right: Bools) -> tuple[float, float]:
    """Average precision, and the share of right photographs among the first ten (of ten, if there are more)."""
    ordered = right[np.argsort(-cosines, kind="stable")]
    count = int(ordered.sum())
    precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float(precision[ordered].sum() / count), float(ordered[:10].sum() / min(count, 10))


# --- queries and photographs -----------------------------------------------------------------------------------


def kinds() -> Iterator[Kind]:
    """The kinds of queries.

    Raises:
        MissingDataError: a data set is not here.
    """
    flickr, labels, recorded = (data_set(name) for name in ("flickr8k_dev500", "labels100", "recorded_clip"))
    captions = _captions(flickr)
    meta = [json.loads(line) for line in (labels / "meta.jsonl").read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini") as made:
        made.index([flickr / "images", labels], ocr="off")
        vectors = _photo_vectors(made)
        photos = np.stack([vectors[str(flickr / file)] for file in captions])
        labelled = np.stack([vectors[str(labels / line["file"])] for line in meta])
        names = sorted({line["label"] for line in meta})
        own = np.array([names.index(line["label"]) for line in meta])
        label_right = own[None] == np.arange(len(names))[:, None]
        noun_right = np.array([[_names(noun, texts) for texts in captions.values()] for noun in NOUNS])
        nouns, label_words = (made.encode([f"a photo of {_article(w)} {w}" for w in words]) for words in (NOUNS, names))
        caption_words = made.encode([text for texts in captions.values() for text in texts])
    n, q = len(photos), len(NOUNS)
    yield Kind("labels", "mini", labelled, label_words, label_right, own, np.arange(len(names)))
    yield Kind("nouns", "mini", photos, nouns, noun_right, np.arange(n), np.arange(q))
    dogs_too = np.array([np.isin([line["label"] for line in meta], LABELS_OF_NOUN.get(noun, [])) for noun in NOUNS])
    both = np.block([[noun_right, dogs_too], [np.zeros((len(names), n), np.bool_), label_right]])
    groups = np.concatenate([np.arange(n), n + own])
    query_groups = np.concatenate([np.arange(q), n + np.arange(len(names))])
    together = np.concatenate([photos, labelled])
    words = np.concatenate([nouns, label_words])
    yield Kind("nouns and labels, mixed", "mini", together, words, both, groups, query_groups)
    shown = np.repeat(np.arange(n), [len(texts) for texts in captions.values()])
    one_right = shown[:, None] == np.arange(n)
    yield Kind("captions", "mini", photos, caption_words, one_right, np.arange(n), shown, several=False)
    yield from _recorded_kinds(recorded)


def _recorded_kinds(folder: Path) -> Iterator[Kind]:
    """Captions that stand for a scene or for themselves, and names of products: vectors of real CLIP models."""
    photos, texts, pairs, ids = _recorded(folder / "photos_memorylens_290")
    scenes = np.array([re.sub(r"^images/\d+_", "", one).split("_")[0].split("/")[0] for one in ids])
    same = scenes[:, None] == scenes
    place = np.isin(scenes, ("airport", "restaurant", "museum", "beach"))
    every = np.arange(len(photos))
    apart = len(photos) + every  # queries are split apart from photographs
    clip = "ViT-B-32"
    yield Kind("captions for a scene", clip, photos, texts[place], same[place], every, apart[place])
    right = np.array([np.isin(every, pair["relevant_rows"]) for pair in pairs])
    twins = right.argmax(axis=1)  # a picture that is there twice stays in one half
    yield Kind("captions", clip, photos, texts, right, twins, twins, several=False)
    rng = np.random.default_rng(0)
    other = rng.permutation(np.flatnonzero(place))
    one, two = np.flatnonzero(place), other
    differ = scenes[one] != scenes[two]
    mixed = normalize_rows(texts[one[differ]] + texts[two[differ]])
    yield Kind(TWO_SCENES, clip, photos, mixed, same[one[differ]], every, apart[one[differ]])
    photos, texts, pairs, _ = _recorded(folder / "fashion_stbi_1000")
    named = np.array([" ".join(pair["query"].split()[-2:]) for pair in pairs])
    same = named[:, None] == named
    often = same.sum(axis=1) >= 2 * FEWEST_RIGHT
    every = np.arange(len(photos))
    yield Kind("products", "fashionCLIP", photos, texts[often], same[often], every, len(every) + every[often])


def _recorded(folder: Path) -> tuple[Floats, Floats, list[dict[str, Any]], list[str]]:
    photos, texts = (normalize_rows(np.load(folder / name).astype(np.float32)) for name in ("image.npy", "text.npy"))
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]
    ids = [str(json.loads(line)["id"]) for line in (folder / "ids.jsonl").read_text("utf-8").splitlines()]
    return photos, texts, pairs, ids


def _photo_vectors(made: Collection) -> dict[str, Floats]:
    records = [record for record in made if record.modality == "image"]
    vectors = normalize_rows(made.vectors([record.id for record in records]).vectors)
    return {record.path: vector for record, vector in zip(records, vectors, strict=True)}


def _captions(folder: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines():
        pair = json.loads(line)
        captions.setdefault(pair["relevant"][0], []).append(pair["query"])
    return captions


def _names(noun: str, texts: Sequence[str]) -> bool:
    """Whether at least two of the captions of a photograph name a thing."""
    forms = {noun, PLURALS.get(noun, noun + "s"), noun + "es"}
    return sum(not forms.isdisjoint(re.findall(r"[a-z]+", text.lower())) for text in texts) >= 2


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
