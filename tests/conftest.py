"""What every test may use: small folders of drawn pictures and texts, collections over them, the evaluation data."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import json
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import numpy as np
import pytest
from PIL import Image, ImageDraw

# OpenMP threads that spin while they wait make FAISS many times slower where tests share few processors.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell has its background jobs ignore Ctrl-C, and so would all processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from mmsearch import Collection
from mmsearch.indexes import gpu
from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
from mmsearch.retrieval.ingest import options as ingest_options
from mmsearch.retrieval.media.workers.decoder import Decoder

# Where a change is judged, the same examples every time; on a desk, new ones.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

# Reading the pictures that tests draw would double the time of all tests; those that want it take `reads_text`.
ocr_is_installed = ingest_options.ocr_is_installed
ingest_options.ocr_is_installed = lambda: False

GPUS_EXPECTED = set(filter(None, os.environ.get("MMSEARCH_EXPECT_GPU", "").split(",")))
"""Which of ``torch`` and ``faiss`` must see a GPU on this machine. All tests then run on it whatever can."""

TEXTS = {
    "harbour.txt": "Fishing boats lie in the harbour at low tide.",
    "bread.md": "A loaf of rye bread cools on the kitchen table.",
}
PICTURES = ("disc.png", "square.jpg", "stripes.png", "rings.jpg", "cross.png", "ramp.jpg", "grid.png", "noise.png")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of ``slow.txt``, which ``make test-fast`` leaves out."""
    listed = set((Path(__file__).parent / "slow.txt").read_text("utf-8").split("\n"))
    for item in items:
        if item.nodeid.partition("[")[0] in listed:
            item.add_marker(pytest.mark.slow)


def sees_gpu(library: str) -> bool:
    """Whether ``torch`` or ``faiss`` sees a GPU here."""
    if importlib.util.find_spec(library) is None:
        return False
    module = importlib.import_module(library)
    return module.cuda.is_available() if library == "torch" else gpu.faiss_gpus() > 0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """``@pytest.mark.gpu("torch")``: skipped where torch sees no GPU, and fails where one is promised."""
    for marker in item.iter_markers("gpu"):
        library = marker.args[0]
        if not sees_gpu(library):
            if library in GPUS_EXPECTED:
                pytest.fail(f"$MMSEARCH_EXPECT_GPU promises a GPU, and {library} sees none")
            pytest.skip(f"needs a GPU that {library} sees")


@pytest.fixture
def reads_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is read in pictures; skipped without the extra ``ocr``."""
    if not ocr_is_installed():
        pytest.skip("needs rapidocr (extra `ocr`)")
    monkeypatch.setattr(ingest_options, "ocr_is_installed", ocr_is_installed)


@pytest.fixture(scope="session", autouse=True)
def gpus_are_used_where_they_are_promised() -> None:
    """However few rows there are."""
    if "torch" in GPUS_EXPECTED:
        importlib.import_module("torch")  # a search uses it only where something else has imported it
        gpu._MIN_VALUES = 0
    if "faiss" in GPUS_EXPECTED:
        gpu._MIN_PRODUCTS = 0


@pytest.fixture(scope="session")
def torch_device() -> str:
    """Where torch's towers run: on the GPU where one is promised."""
    return "cuda" if "torch" in GPUS_EXPECTED else "cpu"


def draw_picture(name: str, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """One of eight pictures that look nothing like each other, by its file name."""
    width, height = size
    if name.startswith("noise"):
        return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
    if name.startswith("ramp"):
        ramp = np.broadcast_to(np.linspace(0, 255, width, dtype=np.uint8)[None, :, None], (height, width, 3))
        return Image.fromarray(np.ascontiguousarray(ramp))
    colours = {"disc": "white", "square": "navy", "stripes": "gold", "rings": "black", "cross": "pink", "grid": "teal"}
    picture = Image.new("RGB", size, colours[name.split(".")[0]])
    pen = ImageDraw.Draw(picture)
    if name.startswith("disc"):
        pen.ellipse((24, 8, 72, 56), fill="red")
    elif name.startswith("square"):
        pen.rectangle((30, 14, 66, 50), fill="orange")
    elif name.startswith("stripes"):
        for x in range(0, width, 16):
            pen.rectangle((x, 0, x + 7, height), fill="purple")
    elif name.startswith("rings"):
        for radius in (8, 16, 24):
            pen.ellipse((48 - radius, 32 - radius, 48 + radius, 32 + radius), outline="lime", width=3)
    elif name.startswith("cross"):
        pen.line((0, 0, width, height), fill="brown", width=9)
        pen.line((0, height, width, 0), fill="brown", width=9)
    else:
        for step in range(0, width, 12):
            pen.line((step, 0, step, height), fill="white")
            pen.line((0, step, width, step), fill="white")
    return picture


def fill(folder: Path) -> Path:
    """Put eight pictures and two texts into a new folder."""
    folder.mkdir(parents=True)
    for name in PICTURES:
        draw_picture(name).save(folder / name)
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def drawn() -> Callable[..., Image.Image]:
    """`draw_picture`: a picture by name."""
    return draw_picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of eight pictures and two texts, free to be changed."""
    return fill(tmp_path / "photos")


@pytest.fixture
def corpora(tmp_path: Path):
    """Writes archives and Parquet files with the drawn pictures and captions: see ``corpora.py``."""
    folder = tmp_path / "corpora"
    folder.mkdir()
    return module_at("corpora.py").Corpora(folder, draw_picture)


@pytest.fixture
def captions() -> dict[str, str]:
    """The caption of each picture of `corpora`, by the picture's name."""
    return dict(module_at("corpora.py").CAPTIONS)


@pytest.fixture(scope="session")
def running() -> Callable[..., contextlib.AbstractContextManager[str]]:
    """Runs an app on a free port of this machine; gives its address."""

    uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn (extra `serve`)")

    @contextlib.contextmanager
    def run(app: object) -> Iterator[str]:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()

    return run


@pytest.fixture
def empty(tmp_path: Path) -> Collection:
    """A new collection with nothing in it."""
    return Collection.create(tmp_path / "new.mms", model="mini")


@pytest.fixture
def collection(photos: Path, tmp_path: Path) -> Collection:
    """A collection over `photos`, free to be changed."""
    made = Collection.create(tmp_path / "photos.mms", model="mini")
    made.index([photos], workers=1)
    return made


@pytest.fixture
def mine(tmp_path: Path) -> Collection:
    """Twenty vectors made elsewhere, with the numbers 0 to 19 as widths."""
    made = Collection.create(tmp_path / "mine.mms", model=None)
    names = [f"/p/{i}" for i in range(20)]
    made_elsewhere = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    made.add(made_elsewhere, paths=names, modality="image", space="mine", facts={"width": list(range(20))})
    return made


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection over eight pictures and two texts that a whole module reads and nobody changes."""
    folder = tmp_path_factory.mktemp("gallery")
    made = Collection.create(folder / "gallery.mms", model="mini")
    made.index([fill(folder / "photos")], workers=1)
    return made


@dataclass
class EncodedCounts:
    """What went through the model since the last `clear`."""

    texts: list[str] = field(default_factory=list)
    pictures: int = 0
    sounds: int = 0

    def clear(self) -> None:
        self.texts, self.pictures, self.sounds = [], 0, 0

    def __len__(self) -> int:
        return len(self.texts) + self.pictures + self.sounds


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> EncodedCounts:
    """Counts the texts, pictures and sounds that `mini` embeds."""
    seen = EncodedCounts()
    encode_texts, encode_images = MiniEncoder.encode_texts, MiniEncoder.encode_images
    encode_sounds = MiniEncoder.encode_sounds

    def texts(encoder, given):
        seen.texts += given
        return encode_texts(encoder, given)

    def images(encoder, pixels):
        seen.pictures += len(pixels)
        return encode_images(encoder, pixels)

    def sounds(encoder, given):
        seen.sounds += len(given)
        return encode_sounds(encoder, given)

    monkeypatch.setattr(MiniEncoder, "encode_texts", texts)
    monkeypatch.setattr(MiniEncoder, "encode_sounds", sounds)
    monkeypatch.setattr(MiniEncoder, "encode_images", images)
    return seen


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of evaluation data."""
    folder = Path(os.environ.get("MMSEARCH_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip("the evaluation data is not here: set MMSEARCH_SHARED to its folder")
    return folder


@pytest.fixture
def paths_in() -> Callable[[Collection], set[str]]:
    """The paths of all live rows of a collection."""

    def paths(collection: Collection) -> set[str]:
        found: set[str] = set()
        searcher = collection.searcher()
        for modality in searcher.modalities:
            rows = searcher.rows(modality)
            names = rows.facts(["path"])["path"].to_pylist()
            found |= {os.fsdecode(n) for i, n in enumerate(names) if rows.live is None or rows.live[i]}
        return found

    return paths


@pytest.fixture
def faulty_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Has files decoded by real worker processes into which a fault was put first: a piece of code that may
    replace what it likes of the module ``worker``."""

    def install(fault: str, **options: float) -> None:
        script = tmp_path / "faulty_worker.py"
        lines = [
            "import base64, errno, os, time",
            "from mmsearch.retrieval.media.workers import worker",
            textwrap.dedent(fault),
            "worker.main()",
        ]
        script.write_text("\n".join(lines))
        command = [sys.executable, str(script)]
        monkeypatch.setattr(
            "mmsearch.retrieval.ingest.decoding.Decoder", functools.partial(Decoder, _worker_command=command, **options)
        )

    return install


TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


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


def write_byte_tokenizer(folder: Path, start: str, end: str, padding: str) -> int:
    """A small byte-level tokenizer as transformers saves it, of the kind that CLAP and PE-AV have; its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = [start, padding, end]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([*TEXTS.values(), *["dog sea boat dog"] * 9], trainer)
    pairs = [(token, tokenizer.token_to_id(token)) for token in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=pairs)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=start, eos_token=end, pad_token=padding, model_max_length=512
    ).save_pretrained(folder)
    return tokenizer.get_vocab_size()


def save_with_random_weights(model, folder: Path, seed: int) -> None:
    """Weights large enough that different inputs have clearly different vectors, which fresh ones are not."""
    import torch

    torch.manual_seed(seed)
    for weight in model.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    model.eval().save_pretrained(folder)


@pytest.fixture(scope="session")
def make_clap_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a folder as transformers does: a small CLAP with random weights; name it ``clap@FOLDER``."""
    pytest.importorskip("torch", reason="needs the extra `audio`")
    transformers = pytest.importorskip("transformers", minversion="5.0", reason="needs the extra `audio`")

    def make(seed: int = 0, audio: dict | None = None, **features: object) -> Path:
        folder = tmp_path_factory.mktemp("clap")
        size = write_byte_tokenizer(folder, "<s>", "</s>", "<pad>")
        small = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        text = {"vocab_size": size, "hidden_size": 32, **small}
        sound = {"patch_embeds_hidden_size": 8, "hidden_size": 64, "depths": [1, 2, 1, 1]}
        sound |= {"num_attention_heads": [1, 1, 2, 2], **(audio or {})}
        config = transformers.ClapConfig(text_config=text, audio_config=sound, projection_dim=32)
        model = transformers.ClapModel(config)
        for name, statistic in model.named_buffers():  # decibels, as training would have found them
            if "running" in name:
                statistic.fill_(-40.0 if name.endswith("mean") else 600.0)
        save_with_random_weights(model, folder, seed)
        options = {"truncation": "rand_trunc", "padding": "repeatpad", **features}
        transformers.ClapFeatureExtractor(**options).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def make_pe_av_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a folder as transformers does: a small PE-AV with random weights, for frames of 32 × 32; name it
    ``pe-av-audio@FOLDER`` or ``pe-av-video@FOLDER``."""
    pytest.importorskip("torch", reason="needs the extra `audio`")
    pytest.importorskip("timm", reason="needs the extra `audio`")
    transformers = pytest.importorskip("transformers", minversion="5.0", reason="needs the extra `audio`")

    def make(seed: int = 0) -> Path:
        folder = tmp_path_factory.mktemp("pe-av")
        size = write_byte_tokenizer(folder, "[CLS]", "[SEP]", "[PAD]")
        tower = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
        heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
        # With AMX, PyTorch 2.14 gets kernels of 16 over fewer than 16 channels wrong in bfloat16: not the 4 of others.
        codec = {"model_type": "dac", "downsampling_ratios": [2, 8, 10, 12], "encoder_hidden_size": 8}
        frames = {"img_size": 32, "embed_dim": 32, "depth": 2, "num_heads": 2, "ref_feat_shape": [2, 2]}
        vision = {"model_type": "timm_wrapper", "architecture": "vit_pe_core_tiny_patch16_384", "model_args": frames}
        vision |= {"num_classes": 16, "do_pooling": True, "global_pool": "map"}
        sound = {"model_type": "pe_audio_encoder", "dac_config": {**codec, "codebook_dim": 8}}
        film = {"model_type": "pe_video_encoder", "vision_config": vision}
        text = {"model_type": "modernbert", "vocab_size": size, "pad_token_id": 1, "cls_token_id": 0}
        text |= {"sep_token_id": 2, "bos_token_id": 0, "eos_token_id": 2, "num_attention_heads": 2, **tower}
        both = {"audio_config": {**tower, **heads, **sound}, "video_config": {**tower, **heads, **film}}
        config = transformers.PeAudioVideoConfig(text_config=text, audio_video_config={**tower, **heads, **both})
        save_with_random_weights(transformers.PeAudioVideoModel(config), folder, seed)
        transformers.PeAudioFeatureExtractor().save_pretrained(folder)
        frame = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        video = {"video_processor_type": "PeVideoVideoProcessor", **frame}
        video |= {"do_resize": True, "do_rescale": True, "do_normalize": True}
        (folder / "video_preprocessor_config.json").write_text(json.dumps(video))
        return folder

    return make


def module_at(*parts: str) -> ModuleType:
    """A module of the tests that is no test."""
    path = Path(__file__).parent.joinpath(*parts)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def films() -> ModuleType:
    """The module ``tests/retrieval/media/films.py``, which makes sounds and films."""
    return module_at("retrieval", "media", "films.py")


@pytest.fixture(scope="session")
def voices() -> ModuleType:
    """The module ``tests/voices.py``: words as sound, and a transcriber that reads them back."""
    return module_at("voices.py")


@pytest.fixture(scope="session")
def documents() -> ModuleType:
    """The module ``tests/retrieval/media/documents.py``, which makes documents."""
    return module_at("retrieval", "media", "documents.py")


@pytest.fixture(scope="session")
def written() -> ModuleType:
    """The module ``tests/written.py``, which draws pictures with words in them."""
    return module_at("written.py")


@pytest.fixture(scope="session")
def archives() -> ModuleType:
    """The module ``tests/archives.py``, which makes small tars, ZIP and Parquet files."""
    return module_at("archives.py")


@pytest.fixture(scope="session")
def buckets() -> ModuleType:
    """The module ``tests/buckets.py``: moto's S3 as a server, and servers that misbehave."""
    return module_at("buckets.py")


@pytest.fixture(scope="session")
def s3_server(buckets: ModuleType) -> Iterator[Any]:
    """moto's S3, one server for all tests of a process."""
    pytest.importorskip("moto.server", reason="needs moto[server]")
    pytest.importorskip("obstore", reason="needs obstore (extra `remote`)")
    server = buckets.S3Server()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server: Any, buckets: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A `Bucket` that is empty; the environment leads to its server."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    yield buckets.Bucket(f"s3://{s3_server.new_bucket()}", s3_server, s3_server.environment())
    s3_server.requests.clear()
    s3_server.denies = s3_server.before_write = s3_server.loses_answer = None
