"""The wheel, built from the sdist as an installer would: it holds the files of the tree, no more and no fewer."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from mmsearch import __version__

ROOT = Path(__file__).parents[1]


def tree() -> set[str]:
    """The files of the package in this checkout, without what Python leaves behind."""
    files = (path for path in ROOT.joinpath("mmsearch").rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of sdist and wheel; with hatchling at hand no network is needed."""
    pytest.importorskip("build", reason="pip install build")
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(target), str(ROOT)]
    if importlib.util.find_spec("hatchling"):
        command.insert(3, "--no-isolation")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and (
        "ConnectionError" in done.stdout + done.stderr or "No matching distribution" in done.stderr
    ):
        pytest.skip("hatchling is not installed and cannot be fetched: pip install hatchling")
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def wheel(built):
    """The wheel, opened."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_exactly_the_files_of_the_tree(wheel):
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == tree()


def test_the_wheel_holds_them_byte_for_byte(wheel):
    for name in tree():
        assert wheel.read(name) == (ROOT / name).read_bytes(), f"{name} differs"


@pytest.mark.parametrize(
    "name",
    [
        "mmsearch/py.typed",
        "mmsearch/retrieval/encoders/mini/MODEL_LICENSE",
        "mmsearch/retrieval/encoders/mini/image.onnx",
        "mmsearch/retrieval/encoders/mini/text.safetensors",
        "mmsearch/retrieval/encoders/mini/tokenizer.json",
        "mmsearch/retrieval/encoders/mini/config.json",
        "mmsearch/retrieval/enrich/speech/silero_vad.onnx",
        "mmsearch/retrieval/places/places.parquet",
    ],
)
def test_the_built_in_model_its_terms_and_the_typing_mark_are_in_the_wheel(wheel, name):
    assert wheel.getinfo(name).file_size > 0 or name.endswith("py.typed")


def test_the_metadata_names_version_licences_and_extras(wheel):
    folder = f"mmsearch-{__version__}.dist-info"
    metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("License-File", [])) == {
        "LICENSE",
        "mmsearch/retrieval/encoders/mini/MODEL_LICENSE",
        "mmsearch/retrieval/enrich/speech/SILERO_LICENSE",
        *(f"mmsearch/serve/page/vendor/LICENSE.{name}" for name in ("htm", "preact")),
        "mmsearch/retrieval/places/LICENSE.GeoNames",
    }
    assert set(metadata.get_all("Provides-Extra", [])) >= {"clip", "raw", "export", "all"}
    assert set(metadata.get_all("Classifier", [])) >= {
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)),
        *(f"Operating System :: {system}" for system in ("POSIX :: Linux", "MacOS", "Microsoft :: Windows")),
    }
    assert {url.partition(",")[0] for url in metadata.get_all("Project-URL", [])} >= {"Homepage", "Changelog", "Issues"}
    assert metadata.get_payload() == (ROOT / "README.md").read_text("utf-8")
    assert "mmsearch = mmsearch.cli:main" in wheel.read(f"{folder}/entry_points.txt").decode()


def test_the_newest_version_of_the_changelog_is_that_of_the_package():
    versions = re.findall(
        r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert versions[0][0] == __version__
    assert versions == sorted(versions, key=lambda entry: entry[1], reverse=True)


def test_the_base_install_asks_for_no_torch(wheel):
    metadata = Parser().parsestr(wheel.read(f"mmsearch-{__version__}.dist-info/METADATA").decode())
    base = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert any(line.startswith("faiss-cpu") for line in base)
    assert not [line for line in base if line.startswith(("torch", "open", "transformers", "faiss-gpu"))]


def test_the_sdist_holds_the_package_its_tests_and_its_documents(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= tree()
    assert names >= {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "docs/guide.md",
        "tests/test_packaging.py",
        "examples/app.py",
        "examples/pictures/chelsea.jpg",
    }
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", ".git/"))]
