"""`OnnxEncoder`: an open_clip model exported to ONNX, run by ONNX Runtime, so that a text query needs no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import platformdirs
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.cleaning import Cleaning, clean
from mmsearch.retrieval.encoders.inputs import checked_pixels, checked_texts
from mmsearch.retrieval.encoders.lazy import Lazy
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.onnx_session import open_session
from mmsearch.types import Modality, Space
from mmsearch.unit import normalize_rows

CONFIG = "config.json"
TEXT_TOWER = "text.onnx"
IMAGE_TOWER = "image.onnx"
TOKENIZER = "tokenizer.json"
_FORMAT = 1
_CHUNK = 32


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How token ids become a row of the text network's input: ``prefix + ids + suffix``, padded to ``length``.

    ``tokenizer.json`` itself does not truncate, pad, or add special tokens.
    """

    cleaning: Cleaning
    length: int
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    padding: int

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that fit."""
        return self.length - len(self.prefix) - len(self.suffix)

    def row(self, ids: list[int]) -> list[int]:
        """One row of the input, ``length`` long."""
        row = [*self.prefix, *ids[: self.max_tokens], *self.suffix]
        return row + [self.padding] * (self.length - len(row))


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """The ``config.json`` of an exported model: its space, and how inputs of its networks are made."""

    space: Space
    text: TextFormat
    image_transform: ImageTransform

    def write(self, folder: Path) -> None:
        """Writes ``config.json``."""
        facts = {
            "format": _FORMAT,
            "space": self.space.to_json(),
            "text": asdict(self.text),
            "image_transform": self.image_transform.to_json(),
        }
        (folder / CONFIG).write_text(json.dumps(facts, indent=1), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> ExportConfig:
        """The inverse of `write`.

        Raises:
            ModelUnavailableError: there is none, or this version cannot read it.
        """
        try:
            facts: dict[str, Any] = json.loads((folder / CONFIG).read_bytes())
            if facts["format"] != _FORMAT or facts["text"]["cleaning"] not in get_args(Cleaning):
                raise ValueError("another version of the format")
            text = facts["text"]
            return cls(
                Space.from_json(facts["space"]),
                TextFormat(**{**text, "prefix": tuple(text["prefix"]), "suffix": tuple(text["suffix"])}),
                ImageTransform.from_json(facts["image_transform"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelUnavailableError(f"no exported model in {folder} ({error}); export it again") from None


class OnnxEncoder:
    """An exported model, in the same space as the model it was exported from: float32, on the CPU.

    Each network loads when it is first used. Safe to use from threads.

    Args:
        folder: what `export_onnx` wrote.
        threads: threads inside one operator; None lets ONNX Runtime take one for each physical core.
    """

    modalities: frozenset[Modality] = frozenset({"text", "image", "video"})
    device = "cpu"

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        config = ExportConfig.read(folder)
        self.space = config.space
        self.max_tokens = config.text.max_tokens
        self.image_transform = config.image_transform
        self._text_format = config.text
        self._tokenizer = Lazy(lambda: _open_tokenizer(folder / TOKENIZER))
        self._text_tower = Lazy(lambda: open_session(folder / TEXT_TOWER, threads))
        self._image_tower = Lazy(lambda: open_session(folder / IMAGE_TOWER, threads))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[len(texts), dim]``; tokens past `max_tokens` are not read."""
        rows = np.array([self._text_format.row(ids) for ids in self._tokens(texts)], np.int64)
        return self._run(self._text_tower, rows)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Tokens in each text, special tokens not counted, int64 ``[len(texts)]``."""
        return np.array([len(ids) for ids in self._tokens(texts)], np.int64)

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, float32 ``[n, dim]``, of uint8 RGB pixels ``[n, height, width, 3]``."""
        return self._run(self._image_tower, checked_pixels(pixels, self.image_transform))

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        cleaned = [clean(text, self._text_format.cleaning) for text in checked_texts(texts)]
        encodings = self._tokenizer().encode_batch_fast(cleaned, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def _run(self, tower: Lazy[Any], rows: NDArray[Any]) -> NDArray[np.float32]:
        vectors = np.empty((len(rows), self.space.dim), np.float32)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            vectors[part] = normalize_rows(tower().run(None, {"input": rows[part]})[0])
        return vectors


def models_folder() -> Path:
    """The folder that exported models are looked for in, below the user's data folder."""
    return platformdirs.user_data_path("mmsearch") / "models"


def find_export(model: str, weights: str | None) -> Path | None:
    """The folder of a model's export; None if there is none.

    Args:
        model: the name in its space.
        weights: the digest of the weights in its space, since an export may be of other weights; None takes any.
    """
    root = models_folder()
    if not root.is_dir():
        return None
    for folder in sorted(root.iterdir()):
        try:
            space = ExportConfig.read(folder).space
        except ModelUnavailableError:
            continue
        if space.model == model and weights in (None, space.weights):
            return folder
    return None


def _open_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))
