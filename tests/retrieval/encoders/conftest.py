"""Small random open_clip models on disk, and the evaluation data's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mmsearch

ROOT = Path(mmsearch.__path__[0]).parent


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(autouse=True)
def own_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes this user's caches and exported models."""
    import platformdirs

    home = tmp_path_factory.mktemp("home")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: home / "cache")
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_: home / "data")


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def write_hf_tokenizer() -> Callable[[Path], None]:
    """A small Hugging Face tokenizer with start and end tokens, saved as transformers saves it."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `clip` with transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    def write(folder: Path) -> None:
        words = ["<pad>", "<s>", "</s>", "<unk>", "a", "dog", "cat", "on", "beach", "the"]
        tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
        ).save_pretrained(folder)

    return write
