"""Small random open_clip models on disk, and the evaluation data's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import mmsearch

ROOT = Path(mmsearch.__path__[0]).parent
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


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


@pytest.fixture(scope="session")
def mini_v0() -> Path:
    shared = Path(os.environ.get("MMSEARCH_SHARED", ROOT.parent / "shared"))
    if not (shared / "models/mini-v0/reference.py").exists():
        pytest.skip("needs models/mini-v0 of the evaluation data ($MMSEARCH_SHARED)")
    return shared / "models/mini-v0"


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder as open_clip does: random weights, configuration, and the tokenizer if one is given."""
    torch = pytest.importorskip("torch", reason="needs the extra `clip`")
    open_clip = pytest.importorskip("open_clip", reason="needs the extra `clip`")
    save_file = pytest.importorskip("safetensors.torch", reason="needs safetensors").save_file

    def make(name: str = "tiny", seed: int = 0, preprocess: dict | None = None, text: dict | None = None) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        model_cfg = {**TINY, "text_cfg": {**TINY["text_cfg"], **(text or {})}}
        torch.manual_seed(seed)
        save_file(dict(open_clip.CLIP(**model_cfg).state_dict()), folder / "open_clip_model.safetensors")
        config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess or {}}
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        return folder

    return make


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
