"""An app with a search of its own: index a folder once, answer questions about it.

python examples/app.py FOLDER "a question" ["another" ...]
"""

import sys
from pathlib import Path

import mmsearch


def open_photos(folder: Path, home: Path) -> mmsearch.Collection:
    """The folder's collection, brought up to date; what did not change costs next to nothing."""
    photos = mmsearch.Collection.open(home) if home.exists() else mmsearch.Collection.create(home, model="mini")
    report = photos.index([folder])
    print(f"{report.indexed} new, {report.unchanged} unchanged, {len(report.skipped)} skipped")
    return photos


def main(folder: str, *questions: str) -> None:
    with open_photos(Path(folder), Path(folder).with_suffix(".mms")) as photos:
        for question, hits in zip(questions, photos.search_many(questions, k=3), strict=True):
            print(question, *(f"  {hit.score:.3f}  {hit.path}" for hit in hits), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
