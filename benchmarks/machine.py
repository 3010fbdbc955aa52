"""Facts that a measurement depends on: processor, memory, system, versions. Neither host name nor path."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import psutil
from data import REPOSITORY

import mmsearch

PACKAGES = ("numpy", "pyarrow", "faiss-cpu", "faiss-gpu", "onnxruntime", "tokenizers", "pillow", "av", "soxr")
SERVING = ("starlette", "uvicorn")
RIVALS = ("scenedetect", "opencv-python-headless", "decord", "torchcodec", "librosa")


def machine_facts() -> dict[str, str | int | float | None]:
    """Processor, logical cores, memory in GiB, operating system."""
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str | None]:
    """Versions of Python, mmsearch (with its commit, if this is a git checkout) and the packages that do the work."""
    installed = {name: _version(name) for name in (*PACKAGES, *SERVING, *RIVALS)}
    return {
        "python": platform.python_version(),
        "mmsearch": mmsearch.__version__,
        "commit": _commit(),
        **{name: version for name, version in installed.items() if version},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checked-out commit; ``+`` marks changes that are not committed. None outside a git checkout."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    if commit is None:
        return None
    return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
