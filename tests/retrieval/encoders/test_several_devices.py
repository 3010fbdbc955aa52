"""One encoder over several devices: here processes on the CPU, which embed as one would."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmsearch import Collection, NoticeKind
from mmsearch.errors import MMSearchError, UsageError
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.loaded import LoadedEncoders
from mmsearch.retrieval.encoders.runtime import Runtime, choose_device, each_device
from mmsearch.retrieval.encoders.several_devices import SeveralDevices

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a process opens the memory of another by /proc")

ONE_THREAD = Runtime("cpu", threads=1)
OWN = """
import os, signal
import numpy as np
from mmsearch import Space
from mmsearch.retrieval.media.pictures.transform import ImageTransform

class Encoder:
    modalities = frozenset({"image"})
    image_transform = ImageTransform(8, 8)
    space = Space("own:Encoder", "w", "p", 4)
    begun = 0

    def __init__(self, device="cpu"):
        self.device = device

    def encode_images(self, pixels):
        Encoder.begun += 1
        if os.path.exists("die") and Encoder.begun > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if os.path.exists("fail"):
            raise RuntimeError("the network is broken")
        if os.path.exists("short") and len(pixels) > 2:
            raise MemoryError
        vectors = pixels.reshape(len(pixels), -1)[:, :4].astype(np.float32) + 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
"""


@pytest.fixture(scope="module")
def mini() -> Iterator[SeveralDevices]:
    encoder = SeveralDevices("mini", ("cpu", "cpu"), ONE_THREAD, load_encoder("mini", ONE_THREAD))
    yield encoder
    encoder.close()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SeveralDevices:
    """An encoder of the user's own; a file beside it makes it fail."""
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own", raising=False)
    return SeveralDevices("own:Encoder", ("cpu", "cpu"), Runtime(), load_encoder("own:Encoder"))


def noise(count: int, encoder: SeveralDevices) -> np.ndarray:
    shape = (count, encoder.image_transform.height, encoder.image_transform.width, 3)
    return np.random.default_rng(count).integers(0, 256, shape, np.uint8)


def processes(encoder: SeveralDevices) -> list[subprocess.Popen[bytes]]:
    return [process._process for process in encoder._processes if process._process is not None]


def test_batches_are_shared_out_and_their_vectors_come_as_one_process_would_give_them(mini):
    pixels = mini.image_buffer(12)
    pixels[:] = noise(12, mini)
    elsewhere = pixels.copy()
    begun = [mini.begin_images(batch) for batch in (pixels, pixels[:5], elsewhere[3:9], pixels[:0])]
    assert len(processes(mini)) == 2
    expected = mini.local.encode_images(pixels)
    for wait, rows in zip(begun, (expected, expected[:5], expected[3:9], expected[:0]), strict=True):
        np.testing.assert_array_equal(wait(), rows)


def test_an_indexing_run_stores_the_same_vectors(mini, photos, tmp_path):
    several = Collection.create(tmp_path / "several.mms", model=mini)
    one = Collection.create(tmp_path / "one.mms", model="mini")
    report = several.index([photos])
    assert report.indexed == one.index([photos]).indexed
    assert not report.skipped
    with Collection.open(several.root) as found, Collection.open(one.root) as expected:
        hits, same = found.search("a red disc", k=20), expected.search("a red disc", k=20)
        assert [(hit.path, hit.score) for hit in hits] == [(hit.path, hit.score) for hit in same]


def test_a_process_that_dies_is_one_clear_error_of_the_run(own, photos, tmp_path):
    (tmp_path / "die").touch()
    made = Collection.create(tmp_path / "c.mms", model=own)
    with pytest.raises(MMSearchError, match="the process that embeds on cpu was killed") as error:
        made.index([photos], batch=1)
    assert "\n" not in str(error.value)


def test_an_error_of_the_model_names_the_device(own, tmp_path):
    (tmp_path / "fail").touch()
    with pytest.raises(MMSearchError, match="cpu: RuntimeError: the network is broken"):
        own.encode_images(noise(2, own))
    (tmp_path / "fail").unlink()
    assert own.encode_images(noise(2, own)).shape == (2, 4), "the process goes on"


def test_where_memory_is_short_batches_are_halved(own, photos, tmp_path):
    (tmp_path / "short").touch()
    made = Collection.create(tmp_path / "c.mms", model=own)
    report = made.index([photos], batch=8)
    assert report.indexed == 8
    assert [notice.kind for notice in report.notices] == [NoticeKind.BATCHES_HALVED]


def test_closing_ends_the_processes(own):
    own.encode_images(noise(2, own))
    (started,) = processes(own)
    own.close()
    assert started.returncode == 0
    with pytest.raises(MMSearchError, match="has ended"):
        own.encode_images(noise(2, own))


def test_without_the_last_reference_they_end_by_themselves():
    encoder = SeveralDevices("mini", ("cpu",), ONE_THREAD, load_encoder("mini", ONE_THREAD))
    encoder.encode_texts(["a boat"])
    (started,) = processes(encoder)
    del encoder
    assert started.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_they_end_with_the_process_that_started_them(number):
    program = """
        import time
        from mmsearch.retrieval.encoders.load import load_encoder
        from mmsearch.retrieval.encoders.several_devices import SeveralDevices
        from mmsearch.retrieval.encoders.runtime import Runtime
        encoder = SeveralDevices("mini", ("cpu", "cpu"), Runtime("cpu"), load_encoder("mini"))
        for wait in [encoder.begin_texts(["a"]), encoder.begin_texts(["b"])]:
            wait()
        print(*[process._process.pid for process in encoder._processes], flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.send_signal(number)
    parent.wait(30)
    parent.stdout.close()
    until = time.monotonic() + 30
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(is_alive, pids))


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    except OSError:
        return False


def test_a_query_of_a_model_of_ones_own_runs_in_one_process(own, monkeypatch):
    monkeypatch.setattr("mmsearch.retrieval.encoders.load.each_device", lambda device: ("cpu", "cpu"))
    encoders = LoadedEncoders()
    of_run = encoders.named("own:Encoder", throughput=True)
    assert isinstance(of_run, SeveralDevices)
    assert not isinstance(encoders.of(own.space), SeveralDevices)


def test_names_of_devices():
    assert each_device("auto") == ("auto",)
    assert each_device("cpu") == ("cpu",)
    pytest.importorskip("torch", reason="needs the extra `clip`")
    for wrong in ("cuda:", "cuda:x", "cuda:0,", "cuda:0,0", "cuda:-1", "cuda:99", "cuda:0,99"):
        for read in (each_device, choose_device):
            with pytest.raises(UsageError) as error:
                read(wrong)
            assert "\n" not in str(error.value)


@pytest.mark.gpu("torch")
def test_on_gpus_the_vectors_are_those_of_one(tmp_path):
    """Two processes share the first GPU where there is only one."""
    import torch

    from tests.contract.test_encoder_contract import tiny_checkpoint

    model = f"open_clip:tiny@{tiny_checkpoint(tmp_path / 'tiny', 0)}"
    one = load_encoder(model, Runtime("cuda:0", "float32"))
    devices = [f"cuda:{number % torch.cuda.device_count()}" for number in range(2)]
    several = SeveralDevices(model, devices, Runtime(precision="float32"), one)
    pixels = several.image_buffer(20)
    pixels[:] = noise(20, several)
    begun = [several.begin_images(pixels[:count]) for count in (20, 7, 13)]
    expected = one.encode_images(pixels)
    for wait, count in zip(begun, (20, 7, 13), strict=True):
        np.testing.assert_allclose(wait(), expected[:count], atol=1e-6)
    assert each_device("cuda:0") == ("cuda:0",)
    several.close()
