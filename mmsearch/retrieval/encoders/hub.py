"""Files of a model: found on this machine without a network, or fetched from the Hugging Face hub."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmsearch.errors import Hint, HintKind, ModelUnavailableError
from mmsearch.retrieval.encoders.catalogue import ModelInfo
from mmsearch.retrieval.encoders.huggingface import checkpoint as huggingface
from mmsearch.retrieval.encoders.openclip.config import (
    TOKENIZER_FILES,
    model_config,
    pretrained_config,
)

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # the client reads it when it is imported: in functions below
REACH_SECONDS = 3.0
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json")
_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True, slots=True)
class HubFiles:
    """What the hub has of a model.

    Attributes:
        repository: where the weights are.
        filenames: names of the weights file to try, in this order.
        small_repository: where the tokenizer and other small files are; None if none are needed.
        small_files: patterns of their names.
    """

    repository: str
    filenames: tuple[str, ...]
    small_repository: str | None = None
    small_files: tuple[str, ...] = TOKENIZER_FILES


def weights_here(info: ModelInfo) -> Path | None:
    """The weights file of a model on this machine; None if it, or a tokenizer it needs, is not here. Uses no network.

    Raises:
        ModelUnavailableError: ``info.checkpoint`` is a folder without weights.
    """
    if info.checkpoint is not None:
        return _checkpoint_in(info.checkpoint, huggingface.WEIGHTS if info.is_transformers else None)
    source = _source(info)
    if not info.is_transformers and source.small_repository is not None and text_files_here(info) is None:
        return None
    found = (_cached(source.repository, filename) for filename in source.filenames)
    here = next((path for path in found if path is not None), None)
    if here is not None and info.is_transformers and huggingface.missing_files(here.parent, info.modalities):
        return None
    return here


def text_files_here(info: ModelInfo) -> Path | None:
    """The folder with the tokenizer's files on this machine; None if they are not here, or not needed."""
    repository = _text_repository(info)
    if repository is None:
        return None
    if info.checkpoint is not None:
        folder = info.checkpoint if info.checkpoint.is_dir() else info.checkpoint.parent
        if any((folder / name).exists() for name in _TOKENIZERS):
            return folder
    found = (_cached(repository, name) for name in _TOKENIZERS)
    return next((path.parent for path in found if path is not None), None)


def fetch_weights(info: ModelInfo) -> Path:
    """The weights file of a model, fetched from the hub unless it is on this machine; resumes a broken download.

    Raises:
        ModelUnavailableError: the hub cannot be reached (noticed within `REACH_SECONDS`), or has no such files.
    """
    here = weights_here(info)
    if here is not None:
        return here
    source = _source(info)
    _check_reachable(info)
    try:
        if source.small_repository is not None:
            _download_small_files(source.small_repository, source.small_files)
        return _download_first(source)
    except Exception as error:  # the hub's client raises a dozen kinds of three packages
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _unavailable(info, f"could not fetch {info.name}: {reason}") from None


def folder_here(info: ModelInfo) -> Path | None:
    """The folder of a model for speech on this machine; None if a file of it is not here. Uses no network."""
    if info.checkpoint is not None:
        return info.checkpoint
    found = [_cached(info.repository, name) for name in info.files]
    weights = info.family != "whisper" or any(_cached(info.repository, name) for name in huggingface.WEIGHTS)
    if None in found or not weights:
        return None
    assert found[0] is not None
    return found[0].parent


def fetch_folder(info: ModelInfo) -> Path:
    """The folder of a model for speech, fetched from the hub unless it is on this machine.

    Raises:
        ModelUnavailableError: the hub cannot be reached (noticed within `REACH_SECONDS`), or has no such files.
    """
    here = folder_here(info)
    if here is not None:
        return here
    _check_reachable(info)
    try:
        if info.family == "whisper":
            _download_small_files(info.repository, huggingface.SMALL_FILES)
            return _download_first(HubFiles(info.repository, huggingface.WEIGHTS)).parent
        _download_small_files(info.repository, info.files)
    except Exception as error:  # the hub's client raises a dozen kinds of three packages
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _unavailable(info, f"could not fetch {info.name}: {reason}") from None
    fetched = folder_here(info)
    if fetched is None:
        raise _unavailable(info, f"could not fetch {info.name}: {info.repository} lacks one of its files")
    return fetched


def _source(info: ModelInfo) -> HubFiles:
    if info.is_transformers:
        return HubFiles(info.repository, huggingface.WEIGHTS, info.repository, huggingface.SMALL_FILES)
    repository, filename = info.repository, ""
    if not repository:
        hub = pretrained_config(info).get("hf_hub", "")
        repository, _, filename = hub.rpartition("/")
    if not repository:
        raise ModelUnavailableError(
            f"the weights of {info.name} are not on the Hugging Face hub; "
            f"download them yourself and name them open_clip:{info.architecture}@/path/to/file"
        )
    names = (filename,) if filename else _WEIGHTS
    if filename.endswith((".bin", ".pth")):
        names = (filename[:-4] + ".safetensors", filename)
    return HubFiles(repository, names, _text_repository(info))


def _text_repository(info: ModelInfo) -> str | None:
    """The repository of the tokenizer; None for a model that uses CLIP's, which comes with open_clip."""
    if info.repository and "transformers" not in info.needs:
        return None  # known from the catalogue, so that open_clip need not be installed
    text = model_config(info)[0]["text_cfg"]
    name: str | None = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    return name


def _checkpoint_in(path: Path, names: tuple[str, ...] | None) -> Path:
    """The weights file at a path or in its folder: the first of ``names``, or if None, the best by its name."""
    if path.is_file():
        return path
    if names is not None:
        here = next((path / name for name in names if (path / name).exists()), None)
        if here is None:
            raise ModelUnavailableError(f"no {' or '.join(names)} in {path}")
        return here
    found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else []
    if not found:
        raise ModelUnavailableError(f"no checkpoint ({', '.join(_SUFFIXES)}) in {path}")
    preferred = [file for file in found if file.name in _WEIGHTS] or [
        file for file in found if file.suffix == ".safetensors"
    ]
    return (preferred or found)[0]


def _cached(repository: str, filename: str) -> Path | None:
    if not (_cache_folder() / f"models--{repository.replace('/', '--')}").is_dir():
        return None  # most often so, and told without an import that takes as long as a query
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, filename)
    return Path(path) if isinstance(path, str) else None


def _cache_folder() -> Path:
    """Where the hub's client keeps files, as it says itself once it is imported."""
    client = sys.modules.get("huggingface_hub.constants")
    if client is not None:
        return Path(client.HF_HUB_CACHE)
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", f"{caches}/huggingface")
    named = os.environ.get("HF_HUB_CACHE", os.environ.get("HUGGINGFACE_HUB_CACHE", f"{home}/hub"))
    return Path(os.path.expandvars(os.path.expanduser(named)))


def _endpoint() -> str:
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def _download_small_files(repository: str, patterns: tuple[str, ...]) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(repository, allow_patterns=list(patterns), endpoint=_endpoint())


def _download_first(source: HubFiles) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for filename in source.filenames[:-1]:
        try:
            return Path(hf_hub_download(source.repository, filename, endpoint=_endpoint()))
        except EntryNotFoundError:
            continue
    return Path(hf_hub_download(source.repository, source.filenames[-1], endpoint=_endpoint()))


def _check_reachable(info: ModelInfo) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise _unavailable(info, f"{info.name} is not on this machine, and HF_HUB_OFFLINE forbids fetching it")
    if not _within(REACH_SECONDS, lambda: _answers(_endpoint())):
        raise _unavailable(info, f"{info.name} is not on this machine, and {_endpoint()} cannot be reached")


def _within(seconds: float, ask: Callable[[], bool]) -> bool:
    """What ``ask`` returns, or False if that takes longer than ``seconds``.

    It runs in a thread, since the standard library has no timeout for looking up a host name.
    """
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(ask()), daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return False


def _answers(url: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=REACH_SECONDS).close()
    except urllib.error.HTTPError:
        return True  # the server answered
    except (OSError, ValueError):
        return False
    return True


def _unavailable(info: ModelInfo, reason: str) -> ModelUnavailableError:
    from huggingface_hub import constants

    kind = HintKind.NAME_CHECKPOINT if info.is_transformers else HintKind.NAME_CHECKPOINT_OR_USE_MINI
    if info.is_transcriber:
        kind = HintKind.NAME_TRANSCRIBER
    text = f"{reason}. Copy {constants.HF_HUB_CACHE} from a machine that has it"
    return ModelUnavailableError(text, hint=Hint(kind, info.local_name))
