"""Case ``groups``: groups of files by look and by event, their names and ids, and what they cost.

    python benchmarks/groups.py [--parts quality names stable events scale] [--rows 100000 1000000] [--work FOLDER]

*quality*: photographs and sounds whose kinds are known: how well groups agree with the kinds, beside k-means and
HDBSCAN of scikit-learn (left out where it is not installed), which get the same vectors. *names*: whether the name of a
group says a kind that is in it. *stable*: a tenth of files comes new: which ids stay, with and without the earlier
groups as a start. *events*: made albums with known events. *scale*: generated vectors like those of real pictures
(`synthetic.py`). A run replaces the lines of its parts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from run import write_results
from synthetic import Generator, real_pictures

from mmsearch import Collection, Space
from mmsearch.library import Groups, find_groups
from mmsearch.library.groups.cluster import cluster
from mmsearch.library.groups.events import HOUR, find_events
from mmsearch.unit import normalize_rows

Kinds = dict[str, str]
PARTS = ("quality", "names", "stable", "events", "scale")
ORDERS = 5
_SPACE = Space.of_vectors("generated", 512)
_DAY = 24 * HOUR

TOPICS = {
    "dog": r"\bdogs?\b|\bpupp",
    "snow": r"\bsnow\w*|\bski\w*",
    "bicycle": r"\bbik\w+|\bbicycl\w+|\bmotorcycl\w*",
    "climbing": r"\bclimb\w*|\bcliff\b",
    "soccer": r"\bsoccer\b",
    "swimming": r"\bpool\b|\bswim\w*",
    "skateboard": r"\bskateboard\w*",
    "beach": r"\bbeach\b",
}
"""Of captioned photographs: a topic that at least three of the five captions name, if it is the only one."""

ALSO_CALLED = {
    "airplane": r"plane|runway",
    "bonsai": r"flower pot|tree|plant",
    "car": r"\bcars?\b",
    "ferry": r"ferry|boat|ship",
    "motorbike": r"motor",
    "electric guitar": r"guitar",
    "soccer ball": r"ball",
    "dog bark": r"dog bark",
    "person sneeze": r"sneez",
    "baby cry": r"baby cry",
    "clock tick": r"clock",
    "fire crackling": r"crackling|fire",
}
"""How else a kind may be called; any other is called by its own last word."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/groups.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--work", type=Path, help="where the collections of *scale* are kept for the next run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        sets = {} if set(options.parts) <= {"events", "scale"} else known_sets(Path(place))
        work = options.work or Path(place)
        parts = {
            "quality": lambda: quality(sets),
            "names": lambda: names(sets),
            "stable": lambda: stable(sets, Path(place)),
            "events": lambda: events(),
            "scale": lambda: (line for rows in options.rows for line in scale(work, rows)),
        }
        for part in options.parts:
            for line in parts[part]():
                lines.append({"part": part, **line})
                print("  " + " ".join(f"{name}={value}" for name, value in lines[-1].items()), flush=True)
    kept = other_parts(options.out / "groups.jsonl", options.parts)
    print(f"  → {write_results(options.out, 'groups', lines)}")
    if kept:
        with (options.out / "groups.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(kept)
    return 0


def other_parts(path: Path, parts: Sequence[str]) -> list[str]:
    """Lines of earlier runs of other parts."""
    if not path.exists():
        return []
    return [line + "\n" for line in path.read_text("utf-8").splitlines() if json.loads(line)["part"] not in parts]


class KnownSet:
    """Files whose kinds are known: a collection, the ids of its rows, vectors, and kinds (empty where not known)."""

    def __init__(self, collection: Collection, modality: str, kinds: Kinds) -> None:
        self.collection, self.modality = collection, modality
        ids, paths, vectors = [], [], []
        for batch in collection.items(to=modality, vectors=True):
            ids += batch["id"].to_pylist()
            paths += batch["path"].to_pylist()
            vectors.append(batch["vector"].flatten().to_numpy().reshape(len(batch), -1))
        self.ids, self.vectors = ids, np.concatenate(vectors)
        self.kinds = np.array([kinds.get(Path(path).name, "") for path in paths])


def known_sets(place: Path) -> dict[str, KnownSet]:
    """The sets of the evaluation data, embedded with `mini`."""
    found = {}
    for name, modality in (("labels100", "image"), ("flickr8k_dev500", "image"), ("esc10_fold1", "audio")):
        folder = data_set(name)
        kinds = topics(folder) if name.startswith("flickr") else labels(folder)
        made = Collection.create(place / f"{name}.mms", "mini")
        made.index([folder], only=[modality], ocr="off", transcribe="off")
        found[name] = KnownSet(made, modality, kinds)
    both = Collection.create(place / "both.mms", "mini")
    names_of = ("labels100", "flickr8k_dev500")
    both.index([data_set(name) for name in names_of], only=["image"], ocr="off")
    found["both"] = KnownSet(both, "image", labels(data_set(names_of[0])) | topics(data_set(names_of[1])))
    return found


def labels(folder: Path) -> Kinds:
    """The label of each file of a set."""
    facts = map(json.loads, (folder / "meta.jsonl").read_text("utf-8").splitlines())
    return {Path(fact["file"]).name: fact["label"].lower() for fact in facts}


def topics(folder: Path) -> Kinds:
    """The topic of each photograph that has one (see `TOPICS`)."""
    captions: dict[str, list[str]] = {}
    for pair in map(json.loads, (folder / "pairs.jsonl").read_text("utf-8").splitlines()):
        for path in pair["relevant"]:
            captions.setdefault(Path(path).name, []).append(pair["query"].lower())
    found = {}
    for name, own in captions.items():
        said = [topic for topic, words in TOPICS.items() if sum(bool(re.search(words, one)) for one in own) >= 3]
        if len(said) == 1:
            found[name] = said[0]
    return found


# --- quality ---------------------------------------------------------------------------------------------------


def quality(sets: dict[str, KnownSet]) -> Iterator[dict[str, Any]]:
    """Agreement with known kinds: means over orders of the files."""
    known = {name: (one.vectors, one.kinds) for name, one in sets.items()}
    known |= {name: recorded(name) for name in ("photos_memorylens_290", "fashion_stbi_1000")}
    for name, (vectors, kinds) in known.items():
        for way, group in ways(len(set(kinds) - {""})).items():
            rates = []
            for order in range(ORDERS):
                shuffled = np.random.default_rng(order).permutation(len(vectors))
                found = np.empty(len(shuffled), np.int64)
                found[shuffled] = group(vectors[shuffled])
                rates.append(rate(found, kinds))
            means = {key: round(float(np.mean([one[key] for one in rates])), 3) for key in rates[0]}
            yield {"set": name, "way": way, "files": len(vectors), **means}


def recorded(name: str) -> tuple[Any, Any]:
    """Vectors recorded with real CLIP models, and kinds: of photographs by their names, of products by their titles.

    No constant was chosen on them.
    """
    folder = data_set("recorded_clip") / name
    vectors = normalize_rows(np.load(folder / "image.npy").astype(np.float32))
    if name.startswith("photos"):
        facts = map(json.loads, (folder / "ids.jsonl").read_text("utf-8").splitlines())
        kinds = [Path(fact["id"]).name.split("_")[1] if "_" in Path(fact["id"]).name else "" for fact in facts]
    else:
        pairs = map(json.loads, (folder / "pairs.jsonl").read_text("utf-8").splitlines())
        words = {pair["query_row"]: pair["query"].split()[-1].replace("-", "").rstrip("s") for pair in pairs}
        kinds = [words.get(row, "") for row in range(len(vectors))]
    often = Counter(kinds)
    return vectors, np.array([kind if often[kind] >= 8 and kind != "sample" else "" for kind in kinds])


def ways(kinds: int) -> dict[str, Any]:
    """Ways to group vectors, as functions from vectors to numbers of groups, -1 for none."""
    found: dict[str, Any] = {"mmsearch": ours, "mmsearch, all grouped": everything}
    try:
        from sklearn.cluster import HDBSCAN, KMeans
    except ImportError:
        print("  scikit-learn is not installed: k-means and HDBSCAN are left out")
        return found

    def with_mean_off(make: Any) -> Any:
        return lambda vectors: make(len(vectors)).fit_predict(normalize_rows(vectors - vectors.mean(axis=0)))

    found["k-means, told how many kinds"] = with_mean_off(lambda _: KMeans(kinds, n_init=5, random_state=0))
    found["k-means, √(n/2)"] = with_mean_off(lambda n: KMeans(int((n / 2) ** 0.5), n_init=5, random_state=0))
    for least, near in ((3, 1), (5, 3)):
        found[f"HDBSCAN, {least} files"] = with_mean_off(
            lambda _, least=least, near=near: HDBSCAN(min_cluster_size=least, min_samples=near, copy=True)
        )
    return found


def ours(vectors: Any) -> Any:
    """The groups of `find_groups`."""
    group, _ = cluster(vectors).of_points()
    return at_least(group, 3)


def everything(vectors: Any) -> Any:
    """The same, with the files that fit badly."""
    return at_least(cluster(vectors).group_of_point, 3)


def at_least(group: Any, files: int) -> Any:
    """Groups of fewer files are none."""
    sizes = np.bincount(group[group >= 0], minlength=group.max() + 1)
    return np.where((group >= 0) & (sizes[group] >= files), group, -1)


def rate(group: Any, kinds: Any) -> dict[str, float]:
    """Agreement of groups and kinds, over files of a known kind; a file in no group counts as one of its own."""
    has_kind = kinds != ""
    ungrouped = group < 0
    alone = np.where(ungrouped, group.max() + 1 + np.arange(len(group)), group)[has_kind]
    kind = np.unique(kinds[has_kind], return_inverse=True)[1]
    inside = ~ungrouped[has_kind]
    return {
        "groups": len(set(group[~ungrouped])),
        "ungrouped": float(ungrouped.mean()),
        "ARI": adjusted_rand(alone, kind),
        "NMI": mutual_information(alone, kind),
        "ARI_grouped": adjusted_rand(alone[inside], kind[inside]) if inside.any() else 0.0,
    }


def table_of(first: Any, second: Any) -> Any:
    """How many files two partitions have in each pair of parts."""
    one, other = (np.unique(part, return_inverse=True)[1] for part in (first, second))
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    return table


def adjusted_rand(first: Any, second: Any) -> float:
    """Hubert and Arabie's adjusted Rand index: 1 for the same partition, 0 for chance."""
    table = table_of(first, second)

    def pairs(counts: Any) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, one, other = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    by_chance = one * other / max(pairs(np.array([table.sum()])), 1)
    most = (one + other) / 2
    return 1.0 if most == by_chance else (both - by_chance) / (most - by_chance)


def mutual_information(first: Any, second: Any) -> float:
    """Mutual information over the mean of both entropies."""
    share = table_of(first, second) / len(first)

    def entropy(shares: Any) -> float:
        shares = shares[shares > 0]
        return float(-(shares * np.log(shares)).sum())

    one, other = entropy(share.sum(axis=1)), entropy(share.sum(axis=0))
    return 1.0 if one + other == 0 else 2 * (one + other - entropy(share)) / (one + other)


# --- names -----------------------------------------------------------------------------------------------------


def names(sets: dict[str, KnownSet]) -> Iterator[dict[str, Any]]:
    """Whether the names of groups say a kind that a third of their files are of."""
    for name in ("labels100", "esc10_fold1"):
        known = sets[name]
        kind_of = dict(zip(known.ids, known.kinds, strict=True))
        said: dict[bool, list[bool]] = {True: [], False: []}
        for group in find_groups(known.collection, to=known.modality):
            counts = Counter(kind_of[i] for i in group.ids.tolist())
            common = [kind for kind, count in counts.items() if count >= group.size / 3]
            words = [ALSO_CALLED.get(kind, kind.split()[-1].rstrip("s")) for kind in common]
            said[group.is_sure].append(any(re.search(one, group.name) for one in words))
        for is_sure, right in said.items():
            yield {"set": name, "is_sure": is_sure, "groups": len(right), "right": sum(right)}


# --- ids that stay ---------------------------------------------------------------------------------------------


def stable(sets: dict[str, KnownSet], place: Path) -> Iterator[dict[str, Any]]:
    """A tenth of the files comes new: ids that stay, and files that stay in the group of their id."""
    recorded = data_set("recorded_clip") / "flickr8k_images_2347" / "image.npy"
    vectors = {name: sets[name].vectors for name in ("labels100", "flickr8k_dev500")}
    vectors["flickr8k_images_2347"] = normalize_rows(np.load(recorded).astype(np.float32))
    vectors["muge_cnclip_vitb16_28000"] = real_pictures()
    for name, rows in vectors.items():
        for again in (False, True):
            orders = range(10 if len(rows) < 5000 else 3)
            rates = [stay(rows, order, place / f"{name}-{again}-{order}.mms", again=again) for order in orders]
            means = {key: round(float(np.mean([one[key] for one in rates])), 3) for key in rates[0]}
            yield {"set": name, "files": len(rows), "from_earlier": not again, **means}


def stay(vectors: Any, order: int, root: Path, *, again: bool) -> dict[str, float]:
    """Group ten elevenths of the files, add the others, group again."""
    vectors = vectors[np.random.default_rng(order).permutation(len(vectors))]
    first = round(len(vectors) / 1.1)
    made = Collection.create(root, None, index="exact")
    for start, stop in ((0, first), (first, len(vectors))):
        names = [f"/{i}" for i in range(start, stop)]
        made.add(vectors[start:stop], paths=names, modality="image", space="x")
        if not start:
            before = files_of(find_groups(made))
    after = files_of(find_groups(made, again=again))
    old, new = set(before.values()), set(after.values())
    return {
        "groups": len(old),
        "groups_after": len(new),
        "ids_kept": len(old & new) / len(old),
        "files_kept": float(np.mean([after.get(row) == group for row, group in before.items()])),
    }


def files_of(groups: Groups) -> dict[int, str]:
    """The group of each file that is in one."""
    return {row: group.id for group in groups for row in group.ids.tolist()}


# --- events ----------------------------------------------------------------------------------------------------

HOME, AWAY = (52.5, 13.4), ((38.7, -9.1), (41.15, -8.6), (45.44, 12.33))


def events() -> Iterator[dict[str, Any]]:
    """Made albums: parties, walks, single pictures, two events on a day, and trips of days with several outings."""
    for places in (1.0, 0.5, 0.0):
        rates = []
        for seed in range(10):
            taken, where, event = album(seed)
            rng = np.random.default_rng(seed)
            where[rng.random(len(where)) >= places] = np.nan
            found = find_events(taken, np.ones(len(taken), bool), where[:, 0], where[:, 1]).event
            order = np.argsort(taken, kind="stable")
            is_cut, was_cut = np.diff(found[order]) != 0, np.diff(event[order]) != 0
            rates.append(
                {
                    "events": len(set(event.tolist())),
                    "found": len(set(found.tolist())),
                    "cuts_right": (is_cut & was_cut).sum() / is_cut.sum(),
                    "cuts_found": (is_cut & was_cut).sum() / was_cut.sum(),
                    "ARI": adjusted_rand(found, event),
                }
            )
        means = {key: round(float(np.mean([one[key] for one in rates])), 3) for key in rates[0]}
        yield {"places_known": places, "albums": len(rates), **means}


def album(seed: int) -> tuple[Any, Any, Any]:
    """Times in microseconds, positions in degrees, and the event of each picture of about a year."""
    rng = np.random.default_rng(seed)
    times, where, event = [], [], []
    day, number = 17_000, 0

    def take(hour: float, hours: float, count: int, place: tuple[float, float]) -> None:
        moments = day * _DAY + (hour + np.sort(rng.uniform(0, hours, count))) * HOUR
        times.append(moments.astype(np.int64))
        where.append(np.array(place) + rng.normal(0, 0.02, (count, 2)))
        event.append(np.full(count, number))

    for _ in range(60):
        day += int(rng.integers(1, 12))
        kind = rng.choice(["party", "walk", "single", "two", "trip"])
        if kind == "party":
            take(18 + rng.uniform(-1, 1), 5, int(rng.integers(10, 80)), HOME)
        elif kind == "walk":
            take(11 + rng.uniform(-2, 2), 3, int(rng.integers(4, 30)), HOME)
        elif kind == "single":
            take(rng.uniform(8, 20), 0.2, int(rng.integers(1, 4)), HOME)
        elif kind == "two":
            take(9, 1.5, int(rng.integers(8, 30)), HOME)
            number += 1
            take(19, 2, int(rng.integers(8, 30)), HOME)
        else:
            place = AWAY[int(rng.integers(len(AWAY)))]
            for _ in range(int(rng.integers(2, 7))):
                outings = [(9, 3.5), (14, 4), (20, 2)]
                for hour, hours in [one for one in outings if rng.random() < 0.8] or outings[:1]:
                    take(hour, hours, int(rng.integers(4, 25)), place)
                day += 1
        number += 1
    return np.concatenate(times), np.concatenate(where), np.concatenate(event)


# --- scale -----------------------------------------------------------------------------------------------------


def scale(work: Path, rows: int) -> Iterator[dict[str, Any]]:
    """Seconds and memory of a first and a second run over so many pictures, and of events."""
    root = work / f"{rows}.mms"
    if not Collection.exists(root):
        fill(root, rows)
    for by, again in (("look", True), ("look", False), ("event", True)):
        yield {"rows": rows, "by": by, "run": "first" if again else "second", **apart(root, by, again)}


def fill(root: Path, rows: int) -> None:
    """A collection of generated pictures, each with a date."""
    made = Collection.create(root, None, index="exact")
    rng, start = np.random.default_rng(0), 0
    for block in Generator().pictures(rows):
        numbers = range(start, start + len(block))
        at = np.array(numbers)
        seconds = 1_400_000_000 + at // 60 * 200_000 + at % 60 * 120 + rng.integers(0, 100, len(block))
        facts = {"taken_at": seconds.astype("datetime64[s]").astype("datetime64[us]")}
        paths = [f"/pictures/{number // 1000:04d}/{number:08d}.jpg" for number in numbers]
        made.add(block.astype(np.float32), paths=paths, modality="image", facts=facts, space=_SPACE)
        start += len(block)
    made.compact()


def timed(root: Path, by: str, again: bool) -> dict[str, float]:
    """Seconds and memory of one call; ``own_mb`` leaves out mapped files."""
    own, is_done = [0], threading.Event()

    def watch() -> None:
        while not is_done.wait(0.1):
            status = Path("/proc/self/status").read_text()
            own.append(int(status.partition("RssAnon:")[2].split()[0]))

    if sys.platform == "linux":
        threading.Thread(target=watch, daemon=True).start()
    start, before = time.perf_counter(), time.process_time()
    groups = find_groups(Collection.open(root), by=by, again=again)
    is_done.set()
    return {
        "groups": len(groups),
        "ungrouped": round(groups.ungrouped / groups.files, 3),
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_s": round(time.process_time() - before, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
        "own_mb": round(max(own) / 1000),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "load": round(os.getloadavg()[0], 1),
    }


def apart(root: Path, by: str, again: bool) -> dict[str, float]:
    """What one call takes, in a process of its own."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(write, json.dumps(timed(root, by, again)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = json.loads(pipe.read() or "{}")
    os.waitpid(child, 0)
    return told


if __name__ == "__main__":
    sys.exit(main())
