"""Plans: which parts a corpus has and what they are to become, in a Parquet file that workers share."""

from __future__ import annotations

import heapq
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mmsearch.errors import MMSearchError, UsageError
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.routing import ModelRouting
from mmsearch.retrieval.encoders.runtime import Runtime
from mmsearch.retrieval.enrich.speech.load import find_transcriber
from mmsearch.retrieval.ingest.options import IngestOptions
from mmsearch.retrieval.ingest.parts.index_sources import open_source
from mmsearch.retrieval.ingest.parts.part_key import part_key, recipe_of
from mmsearch.retrieval.sources.addresses import absolute_address, expanded
from mmsearch.retrieval.sources.protocol import SourcePart
from mmsearch.retrieval.storage import storage_of

PLAN_VERSION = 1
_PLAN_KEY = b"mmsearch.plan"
_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("address", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("etag", pa.string()),
        pa.field("row_group", pa.int64()),
        pa.field("names", pa.list_(pa.field("element", pa.string()))),
    ]
)
_KEPT_OPTIONS = ("only", "text_column", "window", "hop", "transcribe", "ocr")


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts of a corpus, and how they are to be embedded.

    Attributes:
        model: the name of the model.
        options: the options of `IngestOptions` that decide which rows a part becomes.
        recipe: what every worker must agree on, as `part_key.recipe_of` gives it.
        keys: the key of each part.
        parts: the parts, in the order of their sources.
        sources: the sources, as they were named.
    """

    model: str
    options: Mapping[str, Any]
    recipe: Mapping[str, Any]
    keys: tuple[str, ...]
    parts: tuple[SourcePart, ...] = field(repr=False)
    sources: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of all parts."""
        return sum(part.size for part in self.parts)

    def task(self, number: int, count: int) -> list[int]:
        """The places of the parts of one of several tasks, which have about as many bytes each.

        Args:
            number: of the task, from 1.
            count: how many tasks there are.

        Raises:
            UsageError: there is no such task.
        """
        if count < 1 or not 1 <= number <= count:
            raise UsageError(f"task {number} of {count}: tasks are numbered from 1 to their count")
        loads = [(0, task) for task in range(count)]
        chosen: list[int] = []
        for place in sorted(range(len(self.parts)), key=lambda place: (-self.parts[place].size, place)):
            load, task = heapq.heappop(loads)
            heapq.heappush(loads, (load + max(self.parts[place].size, 1), task))
            if task == number - 1:
                chosen.append(place)
        return sorted(chosen)


def make_plan(
    sources: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    model: str = "auto",
    only: Sequence[str] = (),
    text_column: str | None = None,
    window: float = 10.0,
    hop: float = 5.0,
    transcribe: str = "off",
    ocr: str = "auto",
) -> Plan:
    """List the parts of sources, and write the list to a file for `work`.

    Args:
        sources: folders, archives, Parquet files and addresses of object stores, with ranges in braces.
        output: the file to write, or its address.
        model: of the embeddings; ``auto``: the best whose weights are on this machine.
        only: modalities of the items to read.
        text_column: the column of Parquet files that holds captions; None: guessed.
        window: seconds of sound in one row.
        hop: seconds from the start of one window to the next.
        transcribe: what turns speech into text; see `IngestOptions`.
        ocr: in which pictures text is read; see `IngestOptions`.

    Raises:
        UsageError: there is no such source, or no part in any.
        ModelUnavailableError: the model cannot be loaded.
    """
    from mmsearch import models

    options = {name: value for name, value in locals().items() if name in _KEPT_OPTIONS}
    options["only"] = list(only)
    name = models.best().name if model == "auto" else model
    recipe = recipe_of(routing_for(name, options), ingest_options(options))
    parts: list[SourcePart] = []
    named = tuple(dict.fromkeys(absolute_address(given) for given in sources))
    for address in dict.fromkeys(one for given in named for one in expanded(given)):
        try:
            parts += open_source(address, text_column).parts()
        except MMSearchError as error:
            raise UsageError(str(error), hint=error.hint) from error
    if not parts:
        raise UsageError("there is nothing to plan: the sources hold no files")
    plan = Plan(name, options, recipe, tuple(part_key(part, recipe) for part in parts), tuple(parts), named)
    _write(plan, absolute_address(output))
    return plan


def ingest_options(kept: Mapping[str, Any], **others: Any) -> IngestOptions:
    """The options of a plan as `IngestOptions`, with those of a worker."""
    return IngestOptions(**{**kept, **others})


def routing_for(model: str, kept: Mapping[str, Any], device: str = "auto", precision: str = "auto") -> ModelRouting:
    """The model of a plan, loaded.

    Raises:
        ModelUnavailableError: it cannot be loaded.
    """
    encoders = LoadedEncoders(Runtime(device, precision))
    routing = ModelRouting.single(encoders.named(model, throughput=True))
    transcriber = find_transcriber(kept["transcribe"], encoders.runtime)
    return ModelRouting(routing.encoders, routing.space_by_modality, transcriber)


def _write(plan: Plan, address: str) -> None:
    import pyarrow.parquet as pq

    said = {"version": PLAN_VERSION, "model": plan.model, "options": plan.options, "recipe": plan.recipe}
    said["sources"] = plan.sources
    table = pa.Table.from_pylist(
        [
            {
                "key": key,
                "address": part.address,
                "size": part.size,
                "etag": part.etag,
                "row_group": part.index,
                "names": list(part.names),
            }
            for key, part in zip(plan.keys, plan.parts, strict=True)
        ],
        schema=_SCHEMA.with_metadata({_PLAN_KEY: json.dumps(said)}),
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage_of(address).put(address, buffer.getvalue())


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Read a plan.

    Args:
        path: of its file, or its address.

    Raises:
        MMSearchError: there is no such file, it is no plan, or a newer version of mmsearch wrote it.
    """
    import pyarrow.parquet as pq

    address = absolute_address(path)
    try:
        table = pq.read_table(io.BytesIO(storage_of(address).read(address)))
        said = json.loads((table.schema.metadata or {})[_PLAN_KEY])
        newer = said["version"] > PLAN_VERSION
        rows = table.to_pylist()
    except FileNotFoundError:
        raise MMSearchError(f"there is no plan {address}") from None
    except (pa.ArrowException, ValueError, KeyError, TypeError):
        raise MMSearchError(f"{address} is no plan") from None
    if newer:
        raise MMSearchError(f"{address} was made by a newer mmsearch")
    parts = [
        SourcePart(row["address"], row["size"], row["etag"], row["row_group"], tuple(row["names"] or ()))
        for row in rows
    ]
    keys = tuple(row["key"] for row in rows)
    return Plan(said["model"], said["options"], said["recipe"], keys, tuple(parts), tuple(said["sources"]))
