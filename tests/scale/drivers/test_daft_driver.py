"""Workers that Daft runs, on this machine and on a local cluster of Ray: the same parts, the same report."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsearch
from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.scale import Plan, WorkReport, make_plan, work
from mmsearch.scale.drivers.daft_driver import work_with_daft

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-this-test-" + 32 * "0"}
has = importlib.util.find_spec
needs_daft = pytest.mark.skipif(has("daft") is None, reason="needs daft (extra `cluster`)")
needs_ray = pytest.mark.skipif(has("ray") is None, reason="needs ray (extra `cluster`)")


@pytest.fixture
def plan(corpora, tmp_path: Path) -> Plan:
    """Six tars of eight pictures; the last has changed since it was planned."""
    for number in range(6):
        corpora.tar(f"x-{number}.tar")
    planned = make_plan([corpora.folder / "x-{0..5}.tar"], tmp_path / "plan.parquet", model="mini", ocr="off")
    (corpora.folder / "x-5.tar").write_bytes(b"x" * 700)
    return planned


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of Ray on this machine, with two processors; it ends with its first process."""
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
        port, of_clients = free.getsockname()[1], other.getsockname()[1]
    paths = [str(Path(mmsearch.__path__[0]).parent), os.environ.get("PYTHONPATH", "")]
    os.environ |= TOKEN
    ours = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    options = [f"--port={port}", "--num-cpus=2", "--include-dashboard=false", f"--ray-client-server-port={of_clients}"]
    head = subprocess.Popen([*command, *options], env={**os.environ, **ours}, stdout=subprocess.PIPE, text=True)
    assert head.stdout is not None
    said = []
    for line in head.stdout:
        said.append(line)
        if "runtime started" in line:
            break
    else:
        pytest.fail("Ray does not start: " + "".join(said))
    yield f"127.0.0.1:{port}"
    head.terminate()
    head.communicate(timeout=60)


def essentials(report: WorkReport) -> dict[str, object]:
    data = report.to_json()
    for name in ("seconds", "stages"):
        del data[name]
    return {**data, "skipped": sorted(map(str, data["skipped"]))}


def shards(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@needs_daft
def test_workers_on_this_machine_make_what_one_process_makes(plan, tmp_path):
    expected = work(plan, tmp_path / "one.mms")
    assert (expected.done, len(expected.failed)) == (5, 1)
    report = work_with_daft(plan, tmp_path / "daft.mms", at_once=2, workers=1)
    assert essentials(report) == essentials(expected)
    assert shards(tmp_path / "daft.mms") == shards(tmp_path / "one.mms")
    again = work_with_daft(plan, tmp_path / "daft.mms", workers=1)
    assert (again.done_before, again.done, len(again.failed)) == (5, 0, 1)


@needs_daft
@needs_ray
def test_a_cluster_of_ray_makes_what_one_process_makes(plan, cluster, tmp_path):
    expected = work(plan, tmp_path / "one.mms")
    command = [sys.executable, "-m", "mmsearch", "work", tmp_path / "plan.parquet", "--out", tmp_path / "ray.mms"]
    command += ["--on", cluster, "--at-once", "2", "--workers", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1, f"a part has failed: {done.stderr}"
    report = json.loads(done.stdout)
    assert {name: report[name] for name in essentials(expected)} == essentials(expected)
    assert shards(tmp_path / "ray.mms") == shards(tmp_path / "one.mms")


@needs_daft
def test_a_model_that_is_not_the_plans_fails_every_part_with_the_reason(plan, tmp_path):
    other = Plan(plan.model, plan.options, {**plan.recipe, "spaces": {"image": "another"}}, plan.keys, plan.parts)
    report = work_with_daft(other, tmp_path / "c.mms", workers=1)
    assert len(report.failed) == report.parts == 6
    assert all("the plan was made with" in note.reason for note in report.failed)


@needs_daft
def test_a_worker_that_is_killed_costs_no_part(corpora, tmp_path, monkeypatch):
    """It kills itself with the second batch that it embeds; Daft gives up, and what is left is begun again."""
    (tmp_path / "dies.py").write_text(
        "import os, signal, pathlib, numpy as np\n"
        "from mmsearch import Space\n"
        "from mmsearch.retrieval.media.pictures.transform import ImageTransform\n"
        "mark = pathlib.Path(__file__).with_name('died')\n"
        "class Encoder:\n"
        "    space, modalities, device = Space('dies:Encoder', 'w', 'p', 4), frozenset({'image'}), 'cpu'\n"
        "    image_transform, batches = ImageTransform(8, 8), 0\n"
        "    def encode_images(self, pixels):\n"
        "        self.batches += 1\n"
        "        if self.batches == 2 and not mark.exists():\n"
        "            mark.touch()\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return np.tile(np.float32([1, 0, 0, 0]), (len(pixels), 1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(mmsearch.__path__[0]).parent)]))
    for number in range(3):
        corpora.tar(f"y-{number}.tar")
    plan = make_plan([corpora.folder / "y-{0..2}.tar"], tmp_path / "p.parquet", model="dies:Encoder", ocr="off")
    report = work_with_daft(plan, tmp_path / "c.mms", workers=1, batch=4)
    assert (tmp_path / "died").exists()
    assert (report.done + report.done_before, report.failed) == (3, ())
    assert len(shards(tmp_path / "c.mms")) == 3


@needs_daft
def test_importing_daft_through_mmsearch_calls_nobody():
    program = (
        "import os; from mmsearch.scale.drivers.daft_driver import _daft_on; _daft_on('local');"
        "from daft.scarf_telemetry import opted_out; assert opted_out();"
        "print(os.environ['RAY_USAGE_STATS_ENABLED'])"
    )
    plain = {name: value for name, value in os.environ.items() if "TRACK" not in name and "ANALYTICS" not in name}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=plain)
    assert done.stdout.strip() == "0"


def test_shares_of_gpus_and_counts_that_make_no_sense_are_refused(plan, tmp_path):
    for wrong in ({"gpus": 1.5}, {"gpus": -1}, {"at_once": 0}):
        with pytest.raises(UsageError):
            work_with_daft(plan, tmp_path / "c.mms", **wrong)


@pytest.mark.skipif(has("daft") is not None, reason="daft is here")
def test_without_daft_the_error_says_what_to_install(plan, tmp_path):
    with pytest.raises(ModelUnavailableError, match=r"mmsearch\[cluster\]"):
        work_with_daft(plan, tmp_path / "c.mms")
