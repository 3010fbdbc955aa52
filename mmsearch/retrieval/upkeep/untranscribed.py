"""How many films and sounds nobody has listened to: what a model for speech would add."""

from __future__ import annotations

from mmsearch.retrieval.store.snapshot import Snapshot

_LISTENED = '"speech":'  # in the column ``made``, see `ingest.expected_rows`


def untranscribed_files(snapshot: Snapshot) -> int:
    """The number of films and sounds that no model for speech was asked about.

    Animated pictures have no sound, but nobody knows that of a row: they count too.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    waiting: set[bytes] = set()
    done: set[bytes] = set()
    for space in snapshot.manifest.spaces:
        for modality in ("audio", "video"):
            rows = snapshot.rows(space, modality)
            if not rows.live_count:
                continue
            table: pa.Table = rows.facts(["path", "made"])
            if rows.live is not None:
                table = table.filter(rows.live)
            table = table.group_by(["path", "made"]).aggregate([])
            made = table["made"].cast(pa.string())
            known = table.filter(pc.is_valid(made))  # rows of vectors made elsewhere have none
            listened = pc.match_substring(pc.drop_null(made), _LISTENED)
            done |= set(known["path"].filter(listened).to_pylist())
            waiting |= set(known["path"].filter(pc.invert(listened)).to_pylist())
    return len(waiting - done)
