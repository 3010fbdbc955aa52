"""An index that workers fill: trained once on the first rows, then every worker encodes the shards that it makes.

The trained index of a (space, modality) lies beside the results of the parts, in ``parts/trained``; the segment of a
shard beside the shard, under the same name with another ending.
"""

from __future__ import annotations

import json
from pathlib import Path

from mmsearch.durable import replace_atomically
from mmsearch.errors import UsageError
from mmsearch.indexes import IndexPlan, RowsOfFile
from mmsearch.notices import Notice
from mmsearch.retrieval.store.manifest import ShardEntry
from mmsearch.retrieval.store.remote import mirror_of
from mmsearch.retrieval.store.side_tables import PARTS_FOLDER
from mmsearch.retrieval.store.snapshot import Snapshot
from mmsearch.retrieval.store.writer import Writer
from mmsearch.retrieval.upkeep.index_adopt import adopt_segments, train_for
from mmsearch.retrieval.upkeep.index_job import IndexJob
from mmsearch.retrieval.upkeep.index_tasks import encode_shard
from mmsearch.retrieval.upkeep.maintain import EmbedTexts, text_queries_of
from mmsearch.types import Modality, Space

_TRAINED_FOLDER = f"{PARTS_FOLDER}/trained"
_SEGMENT, _TRAINED, _PLAN = ".segment", ".trained", ".json"
_SAMPLE_ROWS = 262_144 * 4
"""Rows that are read for training, at most; the plan may use fewer."""


def train_for_rows(
    writer: Writer,
    space: Space,
    rows: int,
    *,
    embed: EmbedTexts | None = None,
    memory: int | None = None,
    threads: int | None = None,
) -> list[Modality]:
    """Train an index for so many rows on those that the collection holds, one for each modality that has rows.

    Args:
        writer: of the collection.
        space: its modalities are trained.
        rows: how many rows of the commonest modality there will be; others are expected in proportion.
        embed: embeds the texts that codes are weighted by.
        memory: bytes for training and codes.
        threads: at most.

    Returns:
        The modalities whose index is encoded by workers from now on.

    Raises:
        UsageError: the collection lies in a bucket, or no modality will have enough rows.
    """
    if mirror_of(writer.root) is not None:
        raise UsageError("an index is trained for workers in a folder only; in a bucket it is built when gathering")
    snapshot = Snapshot(writer.root, writer.manifest)
    counts = snapshot.counts(space.key)
    most = max(counts.values(), default=0)
    trained: list[Modality] = []
    reason = "the collection holds no rows yet"
    for modality, count in counts.items():
        if not count:
            continue
        target = _trained_file(writer.root, space.key, modality)
        target.parent.mkdir(parents=True, exist_ok=True)
        found = snapshot.rows(space.key, modality)
        positions = found.live_positions
        step = max(1, len(positions) // _SAMPLE_ROWS)
        queries = text_queries_of(snapshot, space, modality, embed)()
        try:
            plan = train_for(
                rows * count // most,
                found.vectors_at(positions[::step]),
                target,
                settings=writer.manifest.settings,
                text_queries=queries,
                memory=memory,
                threads=threads,
            )
        except UsageError as error:
            reason = str(error)
            continue
        said = {"plan": plan.to_json(), "index": writer.manifest.settings.index}
        replace_atomically(target.with_suffix(_PLAN), json.dumps(said).encode())
        trained.append(modality)
    if not trained:
        raise UsageError(reason)
    return trained


def encode_beside(root: Path, entry: ShardEntry) -> bool:
    """Encode the shard that a worker has made, if an index was trained for it; returns whether.

    Args:
        root: the collection's folder.
        entry: the shard, relative to the folder.
    """
    trained = _trained_file(root, entry.space, entry.modality)
    if not trained.exists():
        return False
    shard = root / entry.path
    encode_shard(trained, shard, shard.with_suffix(_SEGMENT), threads=1)
    return True


def adopt_encoded(writer: Writer, space: Space, modality: Modality, embed: EmbedTexts | None) -> list[Notice]:
    """Make segments of the index of what workers have encoded; shards that none of them has encoded are encoded now.

    Nothing happens where no index was trained for workers, where another kind is asked for by now, or where rows that
    no segment covers share a shard with rows that one does.
    """
    root = writer.root
    trained = _trained_file(root, space.key, modality)
    if not trained.exists():
        return []
    said = json.loads(trained.with_suffix(_PLAN).read_bytes())
    if said["index"] != writer.manifest.settings.index:
        return []
    job = IndexJob(writer, space, modality)
    covered = job.entries[-1].covers_to if job.entries else 0
    shards = writer.manifest.shards_of(space.key, modality)
    new = [entry for entry in shards if entry.max_id > covered]
    if not new or any(entry.min_id <= covered for entry in new):
        return []
    segments = []
    for entry in new:
        segment = (root / entry.path).with_suffix(_SEGMENT)
        if not segment.exists():
            encode_shard(trained, root / entry.path, segment)
        segments.append(RowsOfFile(segment, entry.first_id))
    snapshot = Snapshot(root, writer.manifest)
    queries = text_queries_of(snapshot, space, modality, embed)()
    notices = adopt_segments(job, trained, IndexPlan.from_json(said["plan"]), segments, text_queries=queries)
    for one in segments:
        one.path.unlink()
    return notices


def _trained_file(root: Path, space: str, modality: Modality) -> Path:
    return root / _TRAINED_FOLDER / f"{space}-{modality}{_TRAINED}"
