"""Configurations of open_clip models: architecture, preprocessing, tokenizer; read without making the model.

open_clip, and torch with it, is imported only to look up a pretrained tag.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.catalogue import ModelInfo
from mmsearch.retrieval.encoders.digests import file_sha256
from mmsearch.retrieval.media.pictures.transform import ImageTransform

FOLDER_CONFIG = "open_clip_config.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "config.json",
)
# The defaults of open_clip's PreprocessCfg, for a checkpoint without a configuration.
_PREPROCESS: dict[str, Any] = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


@dataclass(frozen=True)
class ModelConfig:
    """All that is needed to run a checkpoint.

    Attributes:
        model: open_clip's ``model_cfg``.
        preprocess: open_clip's ``preprocess_cfg``.
        weights: the weights file.
        text_files: a folder with the files of a Hugging Face tokenizer, and the text model's configuration; None for
            CLIP's own tokenizer.
        own: whether ``model`` came with the checkpoint, rather than from open_clip.
    """

    model: dict[str, Any]
    preprocess: dict[str, Any]
    weights: Path
    text_files: Path | None = None
    own: bool = False

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self.model["embed_dim"])

    @property
    def text(self) -> dict[str, Any]:
        """open_clip's ``text_cfg``."""
        return dict(self.model["text_cfg"])

    def image_transform(self) -> ImageTransform:
        """How pictures are resized. Mean and deviation are applied later, on the device."""
        height, width = _pair(self.preprocess["size"])
        fill = self.preprocess["fill_color"]
        interpolation = self.preprocess["interpolation"]
        return ImageTransform(
            height,
            width,
            resize=self.preprocess["resize_mode"],
            # open_clip reads "random" (meant for training) as bicubic.
            interpolation="bilinear" if interpolation == "bilinear" else "bicubic",
            fill=(fill, fill, fill) if isinstance(fill, int) else tuple(fill),
        )

    def processing(self) -> dict[str, Any]:
        """All that makes models with the same weights compute different vectors; the space has its digest."""
        facts: dict[str, Any] = {"preprocess": self.preprocess, "tokenizer": self._tokenizer_facts()}
        return {**facts, "model": self.model} if self.own else facts

    def _tokenizer_facts(self) -> dict[str, Any]:
        keys = ("hf_tokenizer_name", "tokenizer_kwargs", "tokenizer_mode", "context_length")
        facts: dict[str, Any] = {key: self.text[key] for key in keys if key in self.text}
        if self.text_files is not None and (self.text_files / "tokenizer.json").exists():
            facts["sha256"] = file_sha256(self.text_files / "tokenizer.json")
        return facts


def read_config(info: ModelInfo, weights: Path, text_files: Path | None) -> ModelConfig:
    """The configuration of a model whose checkpoint file is ``weights``.

    An ``open_clip_config.json`` beside the weights takes precedence over open_clip's configuration of the architecture.
    For a weights file alone, the preprocessing is the one that all tags of its architecture share, else open_clip's
    default.

    Raises:
        UsageError: open_clip knows no such architecture or tag.
        ModelUnavailableError: the folder's configuration cannot be read.
    """
    model, own = model_config(info)
    if own is not None:
        preprocess = _preprocess(own.get("preprocess_cfg") or {})
    else:
        preprocess = _preprocess(pretrained_config(info) if info.pretrained else _common_preprocess(info))
    preprocess["size"] = _pair(preprocess.get("size") or model["vision_cfg"].get("image_size", 224))
    return ModelConfig(model, preprocess, weights, text_files, own is not None)


def model_config(info: ModelInfo) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """open_clip's ``model_cfg`` of a model; and the whole configuration of the checkpoint's folder, if it has one.

    Raises:
        UsageError: open_clip knows no such architecture.
        ModelUnavailableError: the folder's configuration cannot be read.
    """
    if info.checkpoint is not None and (info.checkpoint / FOLDER_CONFIG).exists():
        own = _folder_config(info.checkpoint / FOLDER_CONFIG)
        return own["model_cfg"], own
    return architecture_config(info.architecture), None


def architecture_config(architecture: str) -> dict[str, Any]:
    """open_clip's ``model_cfg`` of an architecture, from the files of the installed package.

    Raises:
        UsageError: no such architecture.
    """
    files = {path.stem: path for path in _architecture_files()}
    if architecture not in files:
        close = difflib.get_close_matches(architecture, files, n=3, cutoff=0.5)
        meant = f"; near it: {', '.join(close)}" if close else ""
        raise UsageError(f"open_clip has no architecture {architecture!r}{meant}")
    config: dict[str, Any] = json.loads(files[architecture].read_text("utf-8"))
    return config


def pretrained_config(info: ModelInfo) -> dict[str, Any]:
    """open_clip's facts of a pretrained tag: ``hf_hub``, ``mean``, ``std``, ``interpolation``, ``resize_mode``.

    Raises:
        UsageError: there is no such tag, or its weights were trained with another activation function.
    """
    import open_clip

    config: dict[str, Any] = open_clip.get_pretrained_cfg(info.architecture, info.pretrained)
    if not config:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(info.architecture)) or "none"
        raise UsageError(f"open_clip has no weights {info.pretrained!r} for {info.architecture!r}; its tags: {tags}")
    if config.get("quick_gelu", False) != architecture_config(info.architecture).get("quick_gelu", False):
        raise UsageError(
            f"the weights {info.pretrained!r} were trained with another activation than {info.architecture} has; "
            f"use open_clip:{info.architecture}-quickgelu/{info.pretrained}"
        )
    return config


def _architecture_files() -> list[Path]:
    package = importlib.util.find_spec("open_clip")
    folders: Sequence[str] = (package.submodule_search_locations or []) if package else []
    return [path for folder in folders for path in Path(folder, "model_configs").glob("*.json")]


def _folder_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
        missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(config["model_cfg"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailableError(f"{path} is no open_clip configuration ({error!r})") from None
    if missing:
        raise ModelUnavailableError(f"{path} is no open_clip configuration: no {', '.join(sorted(missing))}")
    return config


def _common_preprocess(info: ModelInfo) -> dict[str, Any]:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(info.architecture)
    all_of_them = [_preprocess(open_clip.get_pretrained_cfg(info.architecture, tag)) for tag in tags]
    return all_of_them[0] if all_of_them and all(each == all_of_them[0] for each in all_of_them) else {}


def _preprocess(given: dict[str, Any]) -> dict[str, Any]:
    """The defaults, replaced by what is given; numbers are floats, so that 0 and 0.0 have the same digest."""
    known = {key: given[key] for key in (*_PREPROCESS, "size") if given.get(key) is not None}
    merged = {**_PREPROCESS, **known}
    for key in ("mean", "std"):
        merged[key] = [float(value) for value in merged[key]]
    return merged


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width in pixels."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))
