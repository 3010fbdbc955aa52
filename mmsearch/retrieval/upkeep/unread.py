"""How many files nobody has listened to or read: what a model for speech and what the extra ``ocr`` would add."""

from __future__ import annotations

from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.types import Modality


def untranscribed_files(snapshot: Snapshot) -> int:
    """The number of films and sounds that no model for speech was asked about.

    Animated pictures have no sound, but nobody knows that of a row: they count too.
    """
    return _files_without(snapshot, "speech", ("audio", "video"))


def unread_files(snapshot: Snapshot) -> int:
    """The number of pictures, films and documents with pages as pictures in which no text was looked for."""
    return _files_without(snapshot, "ocr", ("image", "video"))


def _files_without(snapshot: Snapshot, option: str, modalities: tuple[Modality, ...]) -> int:
    """The number of files of these modalities with ``option`` in the column ``made`` of no row.

    `ingest.expected_rows` says what is in the column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    waiting: set[bytes] = set()
    done: set[bytes] = set()
    for space in snapshot.manifest.spaces:
        for modality in modalities:
            rows = snapshot.rows(space, modality)
            if not rows.live_count:
                continue
            table: pa.Table = rows.facts(["path", "made"])
            if rows.live is not None:
                table = table.filter(rows.live)
            table = table.group_by(["path", "made"]).aggregate([])
            made = table["made"].cast(pa.string())
            known = table.filter(pc.is_valid(made))  # rows of vectors made elsewhere have none
            looked = pc.match_substring(pc.drop_null(made), f'"{option}":')
            done |= set(known["path"].filter(looked).to_pylist())
            waiting |= set(known["path"].filter(pc.invert(looked)).to_pylist())
    return len(waiting - done)
