"""Case ``tags``: are labels right that `mini` gives by words alone? And how long does it take for a million rows?

    python benchmarks/run.py tags
    python benchmarks/tags.py --fits
    python benchmarks/tags.py --scale [--rows 1000000] [--out FOLDER]

The logistics are learned on one half of the labels and of the rows and judged on the other half of both, over five
splits. ``--fits`` learns on everything and prints the numbers of `likelihood.py`. ``--scale`` measures a collection of
random vectors.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from belief_data import Bools, Floats, read_lines
from numpy.typing import NDArray
from tags_data import TagData, Truth, collections, everyday, forms

from mmsearch import Collection, Space
from mmsearch.library import tag
from mmsearch.library.tagging.labels import KINDS, LEAST_PROBABILITY, Label, vocabulary
from mmsearch.library.tagging.likelihood import FITS, OF_MANY, TEMPLATES, Background, Spreads, label_vectors
from mmsearch.library.tagging.run import _BACKGROUND, _MOST_LABELS_OF_ROW
from mmsearch.retrieval.evaluation.level_fitting import Examples
from mmsearch.retrieval.evaluation.level_scores import auroc
from mmsearch.types import Modality
from mmsearch.unit import normalize_rows

SPLITS = 5
PROMPTS: dict[str, tuple[str, ...]] = {
    "the label": ("{label}",),
    "a …": ("{article} {label}",),
    "a photo of a …": ("a photo of {article} {label}",),
    "both, as it is": TEMPLATES["image"],
    "a search's four": ("next to {article} {label}", "with the {label}", "in the {label}", "of {label}"),
    "all of these": (
        "{label}", "{article} {label}", "a photo of {article} {label}", "next to {article} {label}", "with the {label}",
        "in the {label}", "of {label}",
    ),
    "recording of …": ("{label}", "a recording of {label}"),
    "three, as it is": TEMPLATES["audio"],
}  # fmt: skip
OF_PICTURES, OF_SOUNDS = list(PROMPTS)[:6], ["the label", "recording of …", "three, as it is"]
FEATURES = {"cosine": ("cosine",), "z-score": ("z",), "z-score and spread": ("z", "spread")}


def measure() -> list[dict[str, Any]]:
    """Lines of all parts but the scale.

    Raises:
        MissingDataError: a data set is not here.
    """
    data = TagData()
    lines = []
    for ways, prompts in (("features", ["both, as it is"]), ("prompts", OF_PICTURES)):
        for name in prompts:
            features = FEATURES if ways == "features" else {"z-score and spread": ("z", "spread")}
            for how, keys in features.items():
                lines += judge(
                    data, data.pictures, "image", PROMPTS[name], keys, data.photos, part=ways, asked=name, by=how
                )
    for name in OF_SOUNDS:
        about = {"part": "sounds", "asked": name, "by": "z-score and spread"}
        lines += judge(data, data.sounds, "audio", PROMPTS[name], ("z", "spread"), len(data.sounds.rows), **about)
    return [*lines, *measure_everyday(data), measure_moderation(data)]


class Scored:
    """Rows and labels as features: cosine, z-score, and spread by the rows of a collection."""

    def __init__(self, data: TagData, truth: Truth, modality: Modality, prompts: tuple[str, ...]) -> None:
        known = everyday(modality)
        self.truth, self.modality = truth, modality
        self.background = Background(vectors(data, known[:: max(1, len(known) // _BACKGROUND)], prompts))
        labels = vectors(data, truth.labels, prompts)
        self.weights = Background.weights(labels)
        self.scaled = self.background.scaled(truth.rows)
        self.z = self.weights @ self.scaled.T
        self.cosine = labels @ truth.rows.T

    def examples(
        self, rows: NDArray[np.int64], labels: Bools, keys: Sequence[str]
    ) -> tuple[Floats, Bools, NDArray[np.int64]]:
        """Features, whether it is right, and the number of the label, of what is known of some rows."""
        known = (self.truth.shown[:, rows] >= 0) & labels[:, None]
        spreads = Spreads(self.scaled.shape[1])
        spreads.add(self.scaled[rows])
        spread = spreads.of(self.weights, FITS[self.modality].usual)
        found = {"z": self.z[:, rows], "cosine": self.cosine[:, rows]}
        found["spread"] = np.broadcast_to(spread[:, None], found["z"].shape)
        return (
            np.column_stack([found[key][known] for key in keys]),
            self.truth.shown[:, rows][known] == 1,
            np.nonzero(known)[0],
        )


def vectors(data: TagData, names: Sequence[str], prompts: tuple[str, ...]) -> Floats:
    """Labels as the means of prompts."""
    labels = [
        Label(name, tuple(p.format(label=name, article="an" if name[0] in "aeiou" else "a") for p in prompts))
        for name in names
    ]
    return label_vectors(labels, "image", lambda texts: data.encode(list(texts)))


def fit(features: Floats, right: Bools) -> NDArray[np.float64]:
    """A logistic by Newton's method: coefficients and intercept."""
    x = np.column_stack([features, np.ones(len(features))]).astype(np.float64)
    found = np.zeros(x.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -40, 40)))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(len(found))
        step = np.linalg.solve(curvature, x.T @ (right - p))
        found += step * min(1, 3 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return found


def probability(features: Floats, fitted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logistic's probabilities."""
    return 1 / (1 + np.exp(-(features @ fitted[:-1] + fitted[-1])))


def learned(
    scored: Scored, rows: Bools, labels: Bools, keys: Sequence[str], photos: int, seed: int
) -> NDArray[np.float64]:
    """The logistic of some rows and labels, in collections of several kinds."""
    parts = collections(scored.truth, rows, photos, np.random.default_rng(seed))
    examples = [scored.examples(own, labels, keys) for _, own in parts if len(own)]
    return fit(np.concatenate([e[0] for e in examples]), np.concatenate([e[1] for e in examples]))


def judge(
    data: TagData,
    truth: Truth,
    modality: Modality,
    prompts: tuple[str, ...],
    keys: Sequence[str],
    photos: int,
    **about: Any,
) -> list[dict[str, Any]]:
    """Figures at the usual probability, by kind of collection, on rows and labels that nothing was learned from."""
    scored = Scored(data, truth, modality, prompts)
    given: dict[str, list[tuple[NDArray[np.float64], Bools, Bools, float]]] = {}
    for seed in range(SPLITS):
        rng = np.random.default_rng(seed)
        labels, rows = rng.random(len(truth.labels)) < 0.5, rng.random(len(truth.rows)) < 0.5
        for a, b in (((rows, labels), (~rows, ~labels)), ((~rows, ~labels), (rows, labels))):
            fitted = learned(scored, *a, keys, photos, seed)
            for name, own in collections(truth, b[0], photos, rng):
                features, right, label = scored.examples(own, b[1], keys)
                p = probability(features, fitted)
                absent = label >= len(truth.labels) - truth.absent
                hit = np.unique(label[absent & (p > LEAST_PROBABILITY)])
                given.setdefault(name, []).append((p, right, absent, len(hit) / max(len(np.unique(label[absent])), 1)))
    lines = []
    for name, parts in given.items():
        p, right, absent = (np.concatenate([part[i] for part in parts]) for i in range(3))
        yes = p > LEAST_PROBABILITY
        precision, recall = right[yes].mean(), (yes & right).sum() / max(right.sum(), 1)
        area = [
            auroc(part[0], Examples(np.zeros((len(part[0]), 3)), part[1].astype(float), np.ones(len(part[0]))))
            for part in parts
            if 0 < part[1].sum() < len(part[1])
        ]
        lines.append(
            {
                **about,
                "modality": modality,
                "collection": name,
                "precision": round(float(precision), 4),
                "recall": round(float(recall), 4),
                "F1": round(float(2 * precision * recall / max(precision + recall, 1e-9)), 4),
                "AP": round(float(np.mean([average_precision(*part[:2]) for part in parts if part[1].any()])), 4),
                "AUROC": round(float(np.mean(area)), 4),
                "absent_pairs": round(float(yes[absent].mean()), 6),
                "absent_labels": round(float(np.mean([part[3] for part in parts])), 4),
                "mean_p_given": round(float(p[yes].mean()), 4),
            }
        )
    return lines


def average_precision(p: NDArray[np.float64], right: Bools) -> float:
    """The mean precision at each right one, all labels in one list."""
    found = right[np.argsort(-p, kind="stable")]
    return float((np.cumsum(found) / np.arange(1, len(found) + 1))[found].mean())


def as_given(data: TagData, rows: Floats, labels: Sequence[Label], modality: Modality) -> NDArray[np.float64]:
    """The probabilities that `tag` gives, float64 ``[labels, rows]``."""
    known = everyday(modality)
    background = Background(
        label_vectors(
            [Label(name) for name in known[:: max(1, len(known) // _BACKGROUND)]],
            modality,
            lambda t: data.encode(list(t)),
        )
    )
    weights = Background.weights(label_vectors(labels, modality, lambda texts: data.encode(list(texts))))
    scaled = background.scaled(rows)
    spreads = Spreads(scaled.shape[1])
    spreads.add(scaled)
    own = FITS[modality]
    odds = own.z * (weights @ scaled.T) + (own.spread * spreads.of(weights, own.usual) + own.intercept)[:, None]
    return 1 / (1 + np.exp(-odds.astype(np.float64)))


def measure_everyday(data: TagData) -> list[dict[str, Any]]:
    """The everyday words: how many a row gets, and how often they are right, by eye and by captions.

    `tags_judged.jsonl` has labels of 40 photographs that a person judged. A caption seldom names all that is there.
    """
    lines = []
    labels = vocabulary("everyday", None, ("image",))[1]
    judged = read_lines(Path(__file__).with_name("tags_judged.jsonl"))
    right = {
        (line["file"], name): kind == "right" for line in judged for kind in ("right", "wrong") for name in line[kind]
    }
    for name, rows, words, files in (
        ("captioned photographs", data.data.photos, data.words, list(data.data.texts)),
        ("films", data.data.films.rows, data.film_words, []),
    ):
        odds = np.log(1 / (1 / as_given(data, rows, labels, "image") - 1)) + OF_MANY
        p = 1 / (1 + np.exp(-odds))
        given = (p > LEAST_PROBABILITY) & (p >= np.sort(p, axis=0)[-_MOST_LABELS_OF_ROW])
        said = set[str]().union(*words)
        one = [i for i, label in enumerate(labels) if " " not in label.name and forms(label.name) & said]
        named = [bool(forms(labels[i].name) & words[row]) for i in one for row in np.flatnonzero(given[i])]
        seen = [
            (right[file, labels[i].name], p[i, row])
            for row, file in enumerate(files)
            for i in np.flatnonzero(given[:, row])
            if (file, labels[i].name) in right
        ]
        lines.append(
            {
                "part": "everyday",
                "set": name,
                "rows": rows.shape[0],
                "labels_a_row": round(float(given.sum(axis=0).mean()), 2),
                "rows_without": round(float((~given.any(axis=0)).mean()), 4),
                "labels_used": int(given.any(axis=1).sum()),
                "mean_p": round(float(p[given].mean()), 4),
                "words_given": len(named),
                "named_in_a_caption": round(float(np.mean(named)), 4) if named else None,
            }
        )
        if seen:
            lines[-1] |= {
                "judged_by_eye": len(seen),
                "right_by_eye": round(float(np.mean([one for one, _ in seen])), 4),
                "mean_p_judged": round(float(np.mean([own for _, own in seen])), 4),
            }
    return lines


def measure_moderation(data: TagData) -> dict[str, Any]:
    """How many of the photographs and shots of films, which show nothing of the kind, get a label of ``moderation``."""
    labels = vocabulary("moderation", None, KINDS)[1]
    rows = np.concatenate([data.data.gallery, data.data.films.rows])
    p = as_given(data, rows, labels, "image")
    least = np.array([label.min_probability for label in labels])[:, None]
    return {
        "part": "moderation",
        "rows": len(rows),
        "labels": len(labels),
        "wrong_rows": int((p > least).any(axis=0).sum()),
        "wrong_rows_at_half": int((p > 0.5).any(axis=0).sum()),
        "highest": round(float(p.max()), 4),
    }


def print_fits() -> None:
    """The numbers of `likelihood.py`, learned on everything."""
    data = TagData()
    for modality, truth, photos in (
        ("image", data.pictures, data.photos),
        ("audio", data.sounds, len(data.sounds.rows)),
    ):
        scored = Scored(data, truth, modality, TEMPLATES[modality])  # type: ignore[arg-type]
        every = np.ones(len(truth.rows), np.bool_), np.ones(len(truth.labels), np.bool_)
        fits = [learned(scored, *every, ("z", "spread"), photos, seed) for seed in range(SPLITS)]
        print(
            modality,
            np.mean(fits, axis=0).round(2).tolist(),
            "usual spread",
            round(float(scored.z.std(axis=1).mean()), 2),
        )


# --- scale --------------------------------------------------------------------------------------------------------

DIM = 512
_BLOCK_ROWS = 50_000


class RandomWords:
    """An encoder whose texts are random directions: what is measured is the work beside the model."""

    def __init__(self) -> None:
        self.space = Space("random-words", "", "", DIM)
        self.modalities = ("text",)
        self.max_tokens = 77
        self.device = "cpu"

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """A direction for each text."""
        seeds = [int.from_bytes(text.encode()[-6:], "little") for text in texts]
        return normalize_rows(
            np.stack([np.random.default_rng(s).standard_normal(DIM) for s in seeds]).astype(np.float32)
        )

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """One for each word."""
        return np.array([len(text.split()) for text in texts])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the fits, or measure the scale."""
    parser = argparse.ArgumentParser(prog="benchmarks/tags.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fits", action="store_true", help="print the numbers of likelihood.py")
    parser.add_argument("--scale", action="store_true", help="measure a collection of random vectors")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--collection", type=Path, help="an earlier collection of --scale, to measure again")
    parser.add_argument("--run", metavar="WHAT", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    if options.fits:
        print_fits()
    elif options.run:
        print(timed(options.collection, options.run))
    elif options.scale:
        from run import write_results

        print(f"  → {write_results(options.out, 'tags-scale', measure_scale(options.rows, options.collection))}")
    return 0


def measure_scale(rows: int, root: Path | None) -> list[dict[str, Any]]:
    """Everyday words, one word, an update and a condition, each in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        root = root or Path(place, "c.mms")
        if not root.exists():
            fill(root, rows)
        lines = []
        for what in ("everyday", "word", "update", "condition"):
            done = subprocess.run(
                [sys.executable, __file__, "--run", what, "--collection", str(root)], stdout=subprocess.PIPE, check=True
            )
            lines.append({"rows": rows, "dim": DIM, "what": what, **eval(done.stdout)})
            print("  " + " ".join(f"{name}={value}" for name, value in lines[-1].items()))
    return lines


def fill(root: Path, rows: int) -> None:
    """Rows near three everyday words each."""
    encoder = RandomWords()
    words = label_vectors([Label(name) for name in everyday("image")], "image", encoder.encode_texts)
    rng = np.random.default_rng(0)
    with Collection.create(root, model=encoder, index="exact") as made:
        for start in range(0, rows, _BLOCK_ROWS):
            count = min(_BLOCK_ROWS, rows - start)
            mixed = words[rng.integers(0, len(words), (count, 3))].sum(axis=1)
            mixed += 2.5 * normalize_rows(rng.standard_normal((count, DIM), np.float32))
            made.add(mixed, paths=[f"/{start + i}" for i in range(count)], modality="image")


def timed(root: Path, what: str) -> dict[str, Any]:
    """Seconds, processor seconds and the peak of memory of one call."""
    with Collection.open(root, encoders=[RandomWords()]) as opened:
        if what == "update":
            noise = np.random.default_rng(1).standard_normal((1000, DIM))
            opened.add(noise, paths=[f"/new/{os.getpid()}/{i}" for i in range(1000)], modality="image")
        start, cpu = time.perf_counter(), time.process_time()
        if what == "condition":
            found: dict[str, Any] = {"found": opened.count(where="tag = 'dog'")}
        else:
            tagged = tag(opened, ["dog"] if what == "word" else (), vocabulary=None if what == "word" else "everyday")
            found = {"labels": len(tagged.labels), "looked_at": tagged.looked_at, "without": tagged.untagged}
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        table = opened.side_table("tags")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    lines = 0 if table is None else len(table)
    return {"seconds": round(seconds, 2), "cpu_s": round(cpu, 2), "peak_mb": peak, "lines": lines, **found}


if __name__ == "__main__":
    sys.exit(main())
