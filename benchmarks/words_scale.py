"""Case ``words-scale``: size and speed of the lexical index with 100,000 passages and 1,000,000 names of files.

And FTS5 beside tantivy on the same passages, where tantivy is installed.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cold_query import BASELINE, alternate, compare

from mmsearch import Collection
from mmsearch.indexes import LexicalIndex, LexicalSegment, Sought
from mmsearch.retrieval.upkeep.lexical_builder import MOST_ROWS
from mmsearch.retrieval.upkeep.lexical_files import path_words

PASSAGES, NAMES, ADDED = 100_000, 1_000_000, 1_000
WORDS_OF_PASSAGE, VOCABULARY = 50, 80_000
QUERIES = 40
_SYLLABLES = [consonant + vowel for consonant in "bcdfghklmnprstvz" for vowel in "aeiou"]


def measure() -> list[dict[str, Any]]:
    """A line for each engine, and one for a collection of many names and passages."""
    texts = list(passages(PASSAGES))
    with tempfile.TemporaryDirectory() as name:
        lines = [_fts5(texts, Path(name))]
        if importlib.util.find_spec("tantivy") is not None:
            lines.append(_tantivy(texts, Path(name)))
        return [*lines, names_alone(), _collection(texts, Path(name))]


def word(number: int) -> str:
    """An invented word; each number has its own."""
    number += 7
    syllables = []
    while number:
        number, place = divmod(number, len(_SYLLABLES))
        syllables.append(_SYLLABLES[place])
    return "".join(syllables)


def passages(count: int, seed: int = 0) -> Iterator[str]:
    """Texts whose words are as frequent as in languages: the n-th word is 1/n as frequent as the first (Zipf)."""
    words = [word(number) for number in range(VOCABULARY)]
    shares = 1 / np.arange(1, VOCABULARY + 1)
    drawn = np.random.default_rng(seed).choice(VOCABULARY, (count, WORDS_OF_PASSAGE), p=shares / shares.sum())
    return (" ".join(words[number] for number in row) for row in drawn.tolist())


def name_of(number: int) -> str:
    """The path of a file; its folder and its name have words of their own."""
    return f"/photos/{2000 + number % 25}/{word(number % 977)}/{word(number % 79_001)}_{number:07d}.jpg"


def names_alone() -> dict[str, Any]:
    """How long it takes to index the names of 1,000,000 files, in segments as large as they get."""
    names = [os.fsencode(name_of(number)) for number in range(NAMES)]

    def build() -> list[LexicalSegment]:
        parts = [range(first, min(first + MOST_ROWS, NAMES)) for first in range(0, NAMES, MOST_ROWS)]
        return [LexicalSegment.build((n, path_words(names[n], [b"/photos"]), "") for n in part) for part in parts]

    segments, seconds = _timed(build)
    size = sum(len(segment.to_bytes()) for segment in segments)
    return {"engine": "FTS5", "names": NAMES, "build_s": round(seconds, 1), "MB": round(size / 1e6, 1)}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _asked() -> list[str]:
    return [word(number) for number in np.geomspace(3, VOCABULARY - 1, QUERIES).astype(int).tolist()]


def _fts5(texts: list[str], folder: Path) -> dict[str, Any]:
    def build() -> LexicalSegment:
        segment = LexicalSegment.build((i, (), text) for i, text in enumerate(texts, 1))
        (folder / "fts5.words").write_bytes(segment.to_bytes())
        return LexicalSegment.open(folder / "fts5.words", segment.rows)

    segment, seconds = _timed(build)
    index = LexicalIndex([segment])
    took = [_timed(lambda one=one: index.ids(Sought((one,)), most=50_000))[1] for one in _asked()]
    return _line("FTS5", seconds, (folder / "fts5.words").stat().st_size, 1, took)


def _tantivy(texts: list[str], folder: Path) -> dict[str, Any]:
    import tantivy

    (folder / "tantivy").mkdir()
    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("id", stored=True, indexed=True)
    schema.add_text_field("text", stored=False)

    def build() -> Any:
        index = tantivy.Index(schema.build(), path=str(folder / "tantivy"))
        writer = index.writer(200_000_000, 1)
        for i, text in enumerate(texts, 1):
            writer.add_document(tantivy.Document(id=i, text=text))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        return index

    index, seconds = _timed(build)
    searcher = index.searcher()
    took = [_timed(lambda one=one: searcher.search(index.parse_query(one, ["text"]), 50_000))[1] for one in _asked()]
    files = list((folder / "tantivy").iterdir())
    return _line("tantivy", seconds, sum(file.stat().st_size for file in files), len(files), took)


def _line(engine: str, seconds: float, size: int, files: int, took: list[float]) -> dict[str, Any]:
    return {
        "engine": engine,
        "passages": PASSAGES,
        "build_s": round(seconds, 2),
        "MB": round(size / 1e6, 1),
        "files": files,
        "rows_of_a_word_p50_ms": round(1e3 * statistics.median(took), 2),
        "rows_of_a_word_max_ms": round(1e3 * max(took), 1),
    }


def _collection(texts: list[str], folder: Path) -> dict[str, Any]:
    """100,000 passages and 1,000,000 names, with random vectors of `mini`'s space."""
    root = folder / "many.mms"
    random = np.random.default_rng(1)
    with Collection.create(root, "mini") as made:
        space = made.encoder().space

        def add(count: int, first: int, modality: str, passages: list[str] | None = None) -> float:
            vectors = random.standard_normal((count, space.dim), np.float32)
            names = [name_of(number) for number in range(first, first + count)]
            return _timed(lambda: made.add(vectors, paths=names, modality=modality, space=space, texts=passages))[1]

        for first in range(0, NAMES, 250_000):
            add(250_000, first, "image")
        add(PASSAGES, NAMES, "text", texts)
        added_s = add(ADDED, NAMES + PASSAGES, "image")
        sizes = [(made.root / entry.path).stat().st_size for entry in made.manifest.lexical]
        made.reopen()
        queries = [f"{word(2)} {one} {word(n % 977)}" for n, one in enumerate(_asked())]
        for mode in ("hybrid", "semantic"):
            made.search(queries[0], mode=mode)
        warm = {
            mode: statistics.median(_timed(lambda q=q, mode=mode: made.search(q, mode=mode))[1] for q in queries)
            for mode in ("hybrid", "semantic")
        }
    cold = {}
    for option in ("hybrid", "--semantic"):
        command = ["-m", "mmsearch", "query", queries[7], "--collection", str(root)]
        command += [] if option == "hybrid" else [option]
        import sys

        cold[option] = compare(*alternate([sys.executable, *command], BASELINE))
    return {
        "engine": "collection",
        "passages": PASSAGES,
        "names": NAMES,
        "MB": round(sum(sizes) / 1e6, 1),
        "segments": len(sizes),
        f"add_{ADDED}_s": round(added_s, 2),
        "warm_hybrid_p50_ms": round(1e3 * warm["hybrid"], 1),
        "warm_semantic_p50_ms": round(1e3 * warm["semantic"], 1),
        **{f"cold_{name.strip('-')}_{key}": value for name, own in cold.items() for key, value in own.items()},
    }


def main() -> None:
    """Measure, print, and write the results."""
    from run import write_results

    measured = measure()
    for line in measured:
        print(" ".join(f"{name}={value}" for name, value in line.items()))
    write_results(Path(__file__).parent / "results", "words-scale", measured)


if __name__ == "__main__":
    main()
