"""open_clip's two kinds of tokenizers behind one class: ids, and numbers of tokens."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.openclip.config import ModelConfig

_DEFAULT_CONTEXT = 77


class ClipTokenizer:
    """A tokenizer made from the model's own configuration.

    Attributes:
        open_clip: open_clip's `SimpleTokenizer` or `HFTokenizer`.
        context_length: length of a row of ids.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.open_clip: Any = _make(config.text, config.text_files)
        self.context_length: int = config.text.get("context_length", _DEFAULT_CONTEXT)
        self._guard = threading.Lock()  # a tokenizer of Hugging Face is set to cut or not, and cannot be while in use

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that the model reads, special tokens not counted."""
        if not self._is_hugging_face:
            return self.context_length - 2
        if self.open_clip.tokenizer_mode == "clips":
            return self.context_length - 3
        return self.context_length - int(self.open_clip.tokenizer.num_special_tokens_to_add())

    def ids(self, texts: list[str]) -> Any:
        """A torch tensor, int64 ``[len(texts), context_length]``; what does not fit is cut off."""
        with self._guard:
            return self.open_clip(texts)

    def count(self, texts: list[str]) -> NDArray[np.int64]:
        """Tokens in each text, special tokens not counted, int64 ``[len(texts)]``."""
        if not self._is_hugging_face:
            return np.array([len(self.open_clip.encode(text)) for text in texts], np.int64)
        if not texts:
            return np.zeros(0, np.int64)
        cleaned = [self.open_clip.clean_fn(text) for text in texts]
        with self._guard:
            tokens = self.open_clip.tokenizer(cleaned, add_special_tokens=False, verbose=False)["input_ids"]
        return np.array([len(ids) for ids in tokens], np.int64)

    @property
    def _is_hugging_face(self) -> bool:
        return hasattr(self.open_clip, "tokenizer")


def _make(text: dict[str, Any], files: Path | None) -> Any:
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    options = dict(text.get("tokenizer_kwargs") or {})
    context = text.get("context_length", _DEFAULT_CONTEXT)
    if not text.get("hf_tokenizer_name"):
        return SimpleTokenizer(context_length=context, **options)
    if files is None:
        raise ModelUnavailableError(
            f"this model needs the tokenizer {text['hf_tokenizer_name']}: put its files (tokenizer.json, "
            "tokenizer_config.json) beside the checkpoint"
        )
    try:
        # By its folder: by name, transformers would ask the hub even for files that are here.
        return HFTokenizer(str(files), context_length=context, tokenizer_mode=text.get("tokenizer_mode"), **options)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelUnavailableError(f"the tokenizer in {files} cannot be loaded: {reason}") from None
