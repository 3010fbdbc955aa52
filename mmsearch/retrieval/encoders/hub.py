"""Where a model's files are: on this machine (no network), or fetched from the Hugging Face hub."""

from __future__ import annotations

import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmsearch.errors import Hint, HintKind, ModelUnavailableError
from mmsearch.retrieval.encoders.catalogue import Entry
from mmsearch.retrieval.encoders.huggingface import checkpoint as huggingface
from mmsearch.retrieval.encoders.openclip.config import (
    TOKENIZER_FILES,
    model_config,
    pretrained_config,
)

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when the hub's client is imported: only inside functions here
REACH_SECONDS = 3.0
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json")
_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the hub keeps a model: the weights' repository and the file names to try, best first; and the repository
    of the small files that it needs too, such as its tokenizer's, with their patterns, if any are on the hub."""

    repository: str
    filenames: tuple[str, ...]
    small_repository: str | None = None
    small_files: tuple[str, ...] = TOKENIZER_FILES


def weights_here(entry: Entry) -> Path | None:
    """The checkpoint file of an entry on this machine, None where it is not; never asks the network.

    For a model whose tokenizer is on the hub too, both must be here.

    Raises:
        ModelUnavailableError: ``entry.checkpoint`` is a folder without a checkpoint.
    """
    if entry.checkpoint is not None:
        return _checkpoint_in(entry.checkpoint, huggingface.WEIGHTS if entry.is_transformers else None)
    source = _source(entry)
    if not entry.is_transformers and source.small_repository is not None and text_files_here(entry) is None:
        return None
    found = (_cached(source.repository, filename) for filename in source.filenames)
    here = next((path for path in found if path is not None), None)
    if here is not None and entry.is_transformers and huggingface.missing_files(here.parent, entry.modalities):
        return None
    return here


def text_files_here(entry: Entry) -> Path | None:
    """The folder with the tokenizer's files on this machine; None where they are not, or none are needed."""
    repository = _text_repository(entry)
    if repository is None:
        return None
    if entry.checkpoint is not None:
        folder = entry.checkpoint if entry.checkpoint.is_dir() else entry.checkpoint.parent
        if any((folder / name).exists() for name in _TOKENIZERS):
            return folder
    found = (_cached(repository, name) for name in _TOKENIZERS)
    return next((path.parent for path in found if path is not None), None)


def pull(entry: Entry) -> Path:
    """The checkpoint file of an entry, fetched from the hub unless it is here; resumes a broken download.

    Raises:
        ModelUnavailableError: the hub cannot be reached (noticed within `REACH_SECONDS`), or has no such files.
    """
    here = weights_here(entry)
    if here is not None:
        return here
    source = _source(entry)
    _check_reachable(entry)
    try:
        if source.small_repository is not None:
            _download_small_files(source.small_repository, source.small_files)
        return _download_first(source)
    except Exception as error:  # the hub's client raises a dozen kinds of three packages
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _unavailable(entry, f"could not fetch {entry.name}: {reason}") from None


def _source(entry: Entry) -> Source:
    if entry.is_transformers:
        return Source(entry.repository, huggingface.WEIGHTS, entry.repository, huggingface.SMALL_FILES)
    repository, filename = entry.repository, ""
    if not repository:
        hub = pretrained_config(entry).get("hf_hub", "")
        repository, _, filename = hub.rpartition("/")
    if not repository:
        raise ModelUnavailableError(
            f"the weights of {entry.name} are not on the Hugging Face hub; "
            f"download them yourself and name them open_clip:{entry.architecture}@/path/to/file"
        )
    names = (filename,) if filename else _WEIGHTS
    if filename.endswith((".bin", ".pth")):
        names = (filename[:-4] + ".safetensors", filename)
    return Source(repository, names, _text_repository(entry))


def _text_repository(entry: Entry) -> str | None:
    """The hub's name for the tokenizer, None for a model that uses CLIP's, which comes with open_clip."""
    if entry.repository and "transformers" not in entry.needs:
        return None  # the catalogue says so already: no need for open_clip to be installed
    text = model_config(entry)[0]["text_cfg"]
    name: str | None = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    return name


def _checkpoint_in(path: Path, names: tuple[str, ...] | None) -> Path:
    """The checkpoint that a path means: the best in a folder, or with ``names`` the first of these."""
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
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, filename)
    return Path(path) if isinstance(path, str) else None


def _endpoint() -> str:
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def _download_small_files(repository: str, patterns: tuple[str, ...]) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(repository, allow_patterns=list(patterns), endpoint=_endpoint())


def _download_first(source: Source) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for filename in source.filenames[:-1]:
        try:
            return Path(hf_hub_download(source.repository, filename, endpoint=_endpoint()))
        except EntryNotFoundError:
            continue
    return Path(hf_hub_download(source.repository, source.filenames[-1], endpoint=_endpoint()))


def _check_reachable(entry: Entry) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise _unavailable(entry, f"{entry.name} is not on this machine, and HF_HUB_OFFLINE forbids fetching it")
    if not _within(REACH_SECONDS, lambda: _answers(_endpoint())):
        raise _unavailable(entry, f"{entry.name} is not on this machine, and {_endpoint()} cannot be reached")


def _within(seconds: float, ask: Callable[[], bool]) -> bool:
    """The answer, or False after so many seconds.

    On a thread, since no timeout of the standard library bounds looking up a name.
    """
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(ask()), daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return False


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=REACH_SECONDS).close()
    except urllib.error.HTTPError:
        return True  # an answer, whatever it says
    except (OSError, ValueError):
        return False
    return True


def _unavailable(entry: Entry, reason: str) -> ModelUnavailableError:
    from huggingface_hub import constants

    kind = HintKind.NAME_CHECKPOINT if entry.is_transformers else HintKind.NAME_CHECKPOINT_OR_USE_MINI
    text = f"{reason}. Copy {constants.HF_HUB_CACHE} from a machine that has it"
    return ModelUnavailableError(text, hint=Hint(kind, entry.local_name))
