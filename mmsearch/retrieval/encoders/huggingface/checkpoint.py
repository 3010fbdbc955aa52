"""Checkpoints that transformers saved: their files, their configuration, and loading their weights safely."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.digests import file_sha256
from mmsearch.retrieval.encoders.safe_load import check_safe, first_lines
from mmsearch.types import Modality

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
CONFIG, TOKENIZER = "config.json", "tokenizer.json"
SMALL_FILES = ("*.json", "*.txt")
"""Patterns of the files that are fetched with the weights: configuration and tokenizer, no code."""
_PROCESSOR = "processor_config.json"
"""The settings of all preprocessing in one file: transformers writes it since version 5, one for each kind before."""
_PREPROCESSING = {"feature_extractor": "preprocessor_config.json", "video_processor": "video_preprocessor_config.json"}
# Keys that may differ between two copies of a configuration although they compute the same.
_INCIDENTAL = {"_name_or_path", "_commit_hash", "architectures", "dtype", "torch_dtype", "transformers_version"}
# Keys that make transformers fetch or run code of others.
_CODE = {"auto_map", "attn_implementation", "quantization_config"}


@dataclass(frozen=True)
class Checkpoint:
    """A model's folder, its weights file, and the contents of its ``config.json``."""

    folder: Path
    weights: Path
    config: dict[str, Any]

    @property
    def tokenizer(self) -> Path:
        """The file of the tokenizer."""
        return self.folder / TOKENIZER

    def settings(self, kind: str) -> dict[str, Any]:
        """The settings of ``feature_extractor`` (sounds) or ``video_processor`` (films).

        Raises:
            ModelUnavailableError: the folder has none.
        """
        own = self.folder / _PREPROCESSING[kind]
        if own.exists():
            return _read_json(own)
        found = _read_json(self.folder / _PROCESSOR).get(kind) if (self.folder / _PROCESSOR).exists() else None
        if not isinstance(found, dict):
            raise ModelUnavailableError(f"no {own.name} in {self.folder}: put the model's own beside its weights")
        return found

    def processing(self, **facts: Any) -> dict[str, Any]:
        """All that makes models with the same weights compute different vectors; the space has its digest."""
        return {"model": _essence(self.config), "tokenizer": file_sha256(self.tokenizer), **facts}


def missing_files(folder: Path, modalities: frozenset[Modality]) -> list[str]:
    """Names of the files, besides the weights, that the folder lacks to embed these modalities."""
    preprocessing = _PREPROCESSING["feature_extractor" if "audio" in modalities else "video_processor"]
    missing = [name for name in (CONFIG, TOKENIZER, preprocessing) if not (folder / name).exists()]
    if (folder / _PROCESSOR).exists() and preprocessing in missing:
        missing.remove(preprocessing)
    return missing


def read_checkpoint(weights: Path, model_type: str, modalities: frozenset[Modality]) -> Checkpoint:
    """The checkpoint that a weights file belongs to.

    Args:
        weights: the weights file.
        model_type: the type that ``config.json`` must name.
        modalities: what it is to embed.

    Raises:
        ModelUnavailableError: files are missing, it is another kind of model, or its configuration asks for code.
    """
    folder = weights.parent
    missing = missing_files(folder, modalities)
    if missing:
        raise ModelUnavailableError(f"{folder} lacks {', '.join(missing)}: a checkpoint's folder holds these too")
    config = _read_json(folder / CONFIG)
    if config.get("model_type") != model_type:
        raise ModelUnavailableError(f"{folder} holds a model of type {config.get('model_type')!r}, not {model_type!r}")
    asks = sorted(_CODE & set(_keys(config)))
    if asks:
        raise ModelUnavailableError(f"{folder / CONFIG} sets {asks[0]}, which could run code: refused")
    return Checkpoint(folder, weights, config)


def load_module(kind: Any, checkpoint: Checkpoint, device: str, precision: str, config: Any = None) -> Any:
    """A transformers model filled with the checkpoint, in evaluation mode, on the device, in the precision.

    Args:
        kind: the class of the model.
        config: its configuration, if it is only a part of the checkpoint; other weights in the file are not loaded.

    Raises:
        ModelUnavailableError: the weights cannot be read, hold code, or do not fit.
    """
    import torch

    check_safe(checkpoint.weights)
    try:
        with _quiet():
            model, report = kind.from_pretrained(
                checkpoint.folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=checkpoint.weights.suffix == ".safetensors",
                weights_only=True,
                # Not by `to`: that would round the tables of rotary positions too.
                dtype=getattr(torch, precision),
                output_loading_info=True,
            )
    except Exception as error:  # the state of a stranger's file can break the loading in any way
        raise ModelUnavailableError(f"{checkpoint.weights} cannot be loaded: {first_lines(error)}") from None
    wrong = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if wrong:
        raise ModelUnavailableError(
            f"{checkpoint.weights} does not fit its configuration: {len(wrong)} tensors are missing or of another "
            f"shape, the first is {wrong[0]}"
        )
    return model.requires_grad_(False).eval().to(device)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailableError(f"{path} cannot be read ({first_lines(error)})") from None
    if not isinstance(facts, dict):
        raise ModelUnavailableError(f"{path} is no configuration")
    return facts


def _essence(config: Any) -> Any:
    if isinstance(config, dict):
        return {key: _essence(value) for key, value in config.items() if key not in _INCIDENTAL}
    return config


def _keys(config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        if value is not None:
            yield key
        if isinstance(value, dict):
            yield from _keys(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it, transformers prints no table of tensors that are not loaded, and no progress bar."""
    from transformers.utils import logging as hf_logging

    logger = logging.getLogger("transformers")
    level, bars = logger.level, hf_logging.is_progress_bar_enabled()
    logger.setLevel(logging.CRITICAL)
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            hf_logging.enable_progress_bar()
