"""Servers of others, with `mini` for the words: each is a process of its own.

    PYTHON benchmarks/serve_rivals.py txtai|clip-retrieval FOLDER PORT

``PYTHON`` has the packages of the rival, and numpy and tokenizers. `mini` takes the place of the rival's own model, so
that all servers embed the same words by the same network. ``FOLDER`` has the rows: ``vectors.npy``, float32
``[rows, dim]``, and ``paths.txt``. Every row is compared, as mmsearch does at 100,000 rows.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

RIVALS = ("txtai", "clip-retrieval")


def embed(texts: list[Any]) -> np.ndarray:
    """The vectors of words, as mmsearch makes them, but without the prompts that it adds to a single word."""
    return mini().encode_texts([str(text) for text in texts])


@cache
def mini() -> Any:
    """The model."""
    from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder

    return MiniEncoder()


def serve_txtai(folder: Path, port: int) -> None:
    """txtai's API over an index without a database, which answers with ids and scores."""
    import uvicorn
    from txtai import Embeddings

    vectors, paths = rows_in(folder)
    config = {
        "method": "external",
        "transform": "serve_rivals.embed",
        "backend": "faiss",
        "faiss": {"components": "IDMap,Flat"},
        "normalize": True,
    }
    os.environ["ALLOW_RESOLVE_TRANSFORM"] = "True"
    embeddings = Embeddings(config)
    embeddings.index((path, vector, None) for path, vector in zip(paths, vectors, strict=True))
    embeddings.save(str(folder / "txtai"))
    (folder / "txtai.yml").write_text(json.dumps({"path": str(folder / "txtai"), "embeddings": config}))
    os.environ["CONFIG"] = str(folder / "txtai.yml")
    uvicorn.run("txtai.api:app", port=port, log_level="warning", access_log=False)


def serve_clip_retrieval(folder: Path, port: int) -> None:
    """The back end of clip-retrieval, which answers with paths and similarities."""
    import all_clip
    import faiss
    import pandas as pd
    import torch
    from clip_retrieval.clip_back import clip_back

    vectors, paths = rows_in(folder)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    own = folder / "clip-retrieval"
    (own / "metadata").mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(own / "image.index"))
    pd.DataFrame({"url": paths}).to_parquet(own / "metadata" / "metadata_0.parquet")
    (own / "indices.json").write_text(json.dumps({"photos": str(own)}))

    class Words(list[str]):
        """Texts in the place of tokens."""

        def to(self, device: str) -> Words:
            return self

    class Model:
        """`mini` in the place of CLIP."""

        @staticmethod
        def encode_text(texts: Words) -> Any:
            return torch.from_numpy(embed(texts))

    all_clip.load_clip = lambda *arguments, **options: (Model(), None, Words)
    clip_back(
        str(own / "indices.json"),
        port=port,
        columns_to_return=["url"],
        enable_mclip_option=False,
        provide_aesthetic_embeddings=False,
        use_jit=False,
    )


def rows_in(folder: Path) -> tuple[np.ndarray, list[str]]:
    """The vectors and paths of the rows."""
    return np.load(folder / "vectors.npy"), (folder / "paths.txt").read_text("utf-8").splitlines()


if __name__ == "__main__":
    name, place, number = sys.argv[1:]
    {"txtai": serve_txtai, "clip-retrieval": serve_clip_retrieval}[name](Path(place), int(number))
