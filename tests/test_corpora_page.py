"""The files to copy in docs/corpora.md are valid, and the one for xargs does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mmsearch
from mmsearch.scale import read_plan, work

ROOT = Path(mmsearch.__path__[0]).parent
PAGE = (ROOT / "docs/corpora.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("script", [*blocks("bash"), *blocks("sh")])
def test_each_script_is_one_that_bash_reads(script):
    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in where ``mmsearch`` is this one."""
    script = tmp_path / "bin/mmsearch"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m mmsearch "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("xargs") is None, reason="needs xargs")
def test_the_lines_for_xargs_embed_every_part_once(corpora, command):
    (command / "laion").symlink_to(corpora.folder)
    for number in range(3):
        corpora.tar(f"shard-{number:05d}.tar")
    lines = next(block for block in blocks("sh") if "xargs" in block)
    lines = lines.replace("00511", "00002").replace("open_clip:ViT-B-32", "mini")
    lines = (
        lines.replace("seq 32", "seq 2")
        .replace("/32", "/2")
        .replace("-P 4", "-P 2")
        .replace("--workers 4", "--workers 1")
    )
    subprocess.run(["bash", "-euc", lines], check=True, capture_output=True, timeout=120)
    report = work(read_plan("plan.parquet"), "laion.mms")
    assert (report.parts, report.done_before) == (3, 3)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_slurm_script_and_the_pods_of_the_job_name_their_tasks(tmp_path, monkeypatch):
    """Each prints its own command in place of running it."""
    for name in ("srun", "mmsearch"):
        (tmp_path / name).write_text('#!/bin/sh\necho "$@"\n')
        (tmp_path / name).chmod(0o755)
    ours = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    slurm = {"SLURM_ARRAY_TASK_ID": "17", "SLURM_ARRAY_TASK_COUNT": "64", "SLURM_CPUS_PER_TASK": "16"}
    (script,) = blocks("bash")
    said = subprocess.run(["bash"], input=script, env={**ours, **slurm}, capture_output=True, text=True, check=True)
    assert "--task 17/64 " in said.stdout
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    (job,) = map(yaml.safe_load, blocks("yaml"))
    container = job["spec"]["template"]["spec"]["containers"][0]
    argv = [*container["command"], *container["args"]]
    last = {**ours, "JOB_COMPLETION_INDEX": str(job["spec"]["completions"] - 1)}
    said = subprocess.run(argv, env=last, capture_output=True, text=True, check=True)
    assert f"--task {job['spec']['completions']}/64 " in said.stdout
