"""Files are decoded in other processes: nothing in a file can harm the run, and each bad one says why."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import psutil
import pytest
from PIL import Image

from mmsearch.cli.hints import with_hint
from mmsearch.errors import Hint, HintKind, MMSearchError
from mmsearch.retrieval.media.decode_spec import DecodeSpec, Rejection
from mmsearch.retrieval.media.pictures.transform import ImageTransform
from mmsearch.retrieval.media.workers import decoder as decoder_module
from mmsearch.retrieval.media.workers import process
from mmsearch.retrieval.media.workers.decoder import Decoder
from mmsearch.retrieval.media.workers.jobs import Decoded, Job, Part, TextPart
from mmsearch.retrieval.media.workers.messages import READY_LINE, WorkerSetup

Scene = Callable[..., Image.Image]
SQUASH = ImageTransform(32, 48)
PICTURES = DecodeSpec(image=SQUASH)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(1, PICTURES, slots=4, max_pixels=50_000_000) as decoder:
        yield decoder


def decode(decoder: Decoder, path: Path | bytes, **options: object) -> Decoded:
    decoded, _ = decoder.decode_one(Job(os.fsencode(path), **options))  # type: ignore[arg-type]
    decoder.release(decoded)
    return decoded


def reason(decoder: Decoder, path: Path | bytes, **options: object) -> str | None:
    decoded = decode(decoder, path, **options)
    assert decoded.outcome == "skipped"
    assert decoded.pixels is decoded.text is decoded.texts is None
    return decoded.reason


# What comes back


def test_a_picture_comes_back_as_pixels_and_facts(decoder: Decoder, tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "scene.png"
    scene(96, 64).save(path)
    decoded = decode(decoder, path)
    assert (decoded.outcome, decoded.kind, decoded.path) == ("decoded", "image", os.fsencode(path))
    assert decoded.pixels is not None
    np.testing.assert_array_equal(decoded.pixels, SQUASH.apply(scene(96, 64)))
    assert (decoded.facts.width, decoded.facts.height) == (96, 64)
    assert (decoded.size, decoded.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
    assert decoded.content_hash == hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


def test_a_text_comes_back_as_characters(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("Ein Hündchen 犬\n" * 10_000, encoding="utf-8")
    decoded = decode(decoder, path)
    assert (decoded.kind, decoded.text) == ("text", path.read_text(encoding="utf-8"))


def test_a_table_comes_back_as_rows(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text("id,caption,note\n1,a dog,x\n2,,y\n3,a cat,z\n")
    decoded = decode(decoder, path)
    assert (decoded.kind, decoded.column, decoded.column_guessed) == ("table", "caption", True)
    assert decoded.texts == [(0, "a dog"), (2, "a cat")]
    assert decode(decoder, path, text_column="note").texts == [(0, "x"), (1, "y"), (2, "z")]
    assert "no column 'title'" in (reason(decoder, path, text_column="title") or "")


def test_the_hint_of_an_error_in_a_worker_reaches_the_main_process(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n1,2\n")
    decoded = decode(decoder, path)
    assert (decoded.outcome, decoded.reason) == ("skipped", "no column of texts found")
    assert (decoded.why, decoded.hint, decoded.rejection) == ("content", Hint(HintKind.TEXT_COLUMN), None)


def test_a_file_that_is_only_sniffed_is_not_decoded(decoder: Decoder, tmp_path: Path, scene: Scene) -> None:
    scene().save(tmp_path / "a.png")
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    sniffed = decode(decoder, tmp_path / "a.png", sniff_only=True)
    assert (sniffed.outcome, sniffed.kind, sniffed.content_hash, sniffed.pixels) == ("sniffed", "image", b"", None)
    assert reason(decoder, tmp_path / "a.bin", sniff_only=True) == "not a picture, text, sound or film"


def test_a_long_table_comes_in_parts_of_bounded_size(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text("id,caption\n" + "".join(f"{i},dog {i % 7}\n" for i in range(20_000)))
    items = [item for item in decoder.map([Job(os.fsencode(path))]) if item is not None]
    *parts, last = items
    assert len(parts) >= 4
    assert all(isinstance(part, TextPart) and len(part.texts) <= 4096 for part in parts)
    assert isinstance(last, Decoded)
    texts = [text for part in parts if isinstance(part, TextPart) for text in part.texts] + (last.texts or [])
    assert texts == [(i, f"dog {i % 7}") for i in range(20_000)]
    assert decode(decoder, path).texts == texts


def test_parquet_fits_into_what_a_worker_may_use(decoder: Decoder, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"caption": ["a dog", "a cat"]}), path)
    assert decode(decoder, path).texts == [(0, "a dog"), (1, "a cat")]


def test_the_date_taken_survives_the_way(decoder: Decoder, tmp_path: Path, scene: Scene) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2023:07:14 18:30:05"
    exif.get_ifd(0x8769)[0x9011] = "+02:00"
    scene().save(tmp_path / "a.jpg", exif=exif)
    taken_at = decode(decoder, tmp_path / "a.jpg").facts.taken_at
    assert taken_at is not None
    assert taken_at.isoformat() == "2023-07-14T18:30:05+02:00"


def test_known_contents_are_not_decoded_again(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff not a picture at all")
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    decoded = decode(decoder, path, known=frozenset({bytes(16), digest}))
    assert (decoded.outcome, decoded.content_hash, decoded.pixels) == ("same", digest, None)


# Names and kinds


@pytest.mark.parametrize(
    "name",
    [b"two\nlines.png", "🐕.png".encode(), "كلب.png".encode(), b"latin-\xe9\xff.png", b" .png", b"a\\b\"'.png"],
)
def test_a_file_of_any_name_is_decoded(name: bytes, decoder: Decoder, tmp_path: Path, scene: Scene) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    try:
        with open(path, "wb") as file:
            scene().save(file, "PNG")
    except OSError:
        pytest.skip("this file system refuses the name")
    decoded = decode(decoder, path)
    assert (decoded.outcome, decoded.path) == ("decoded", path)


def test_a_path_longer_than_255_bytes_is_decoded(decoder: Decoder, tmp_path: Path, scene: Scene) -> None:
    folder = tmp_path.joinpath(*["deep" * 20] * 8)
    folder.mkdir(parents=True)
    scene().save(folder / "a.png")
    assert len(os.fsencode(folder)) > 600
    assert decode(decoder, folder / "a.png").outcome == "decoded"


def test_a_path_longer_than_the_system_allows_is_skipped(decoder: Decoder) -> None:
    assert reason(decoder, b"/" + b"/".join([b"deep" * 20] * 100)) == "cannot be read: file name too long"


def test_content_outweighs_the_name(decoder: Decoder, tmp_path: Path, scene: Scene) -> None:
    (tmp_path / "text.jpg").write_text("A dog runs on the beach.")
    scene().save(tmp_path / "picture.txt", "JPEG")
    assert reason(decoder, tmp_path / "text.jpg") == "text in a file named .jpg"
    assert decode(decoder, tmp_path / "picture.txt").kind == "image"


def test_source_code_is_skipped_unless_named(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\n")
    assert reason(decoder, tmp_path / "a.py") == "source code or data (.py): name the file itself to index it"
    assert decode(decoder, tmp_path / "a.py", explicitly_requested=True).text == "import os\n"


def test_kinds_that_are_not_wanted_are_skipped_with_a_reason(tmp_path: Path, scene: Scene) -> None:
    scene().save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("dog")
    (tmp_path / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    (tmp_path / "a.mkv").write_bytes(b"\x1aE\xdf\xa3 matroska")
    with Decoder(1, DecodeSpec(), slots=1) as texts_only:
        assert reason(texts_only, tmp_path / "a.png") == "a picture: no model of this collection embeds pictures"
        assert decode(texts_only, tmp_path / "a.txt").text == "dog"
    with Decoder(1, DecodeSpec(image=SQUASH, texts=False), slots=1) as pictures_only:
        assert reason(pictures_only, tmp_path / "a.txt") == "a text: no model of this collection embeds texts"
        deaf = decode(pictures_only, tmp_path / "a.wav")
        assert deaf.reason == "a sound: no model of this collection embeds sounds"
        assert (deaf.kind, deaf.rejection, deaf.hint) == (
            "audio",
            Rejection.NOT_EMBEDDED,
            Hint(HintKind.ADD_SOUND_MODEL),
        )
        assert "--model clap" in with_hint(deaf.reason, deaf.hint)
        assert reason(pictures_only, tmp_path / "a.mkv") == "a film: no model of this collection embeds films"
    some = frozenset({"image", "text"})
    with Decoder(1, DecodeSpec(image=SQUASH, frames=SQUASH, sample_rate=8000, only=some), slots=1) as chosen:
        assert reason(chosen, tmp_path / "a.wav") == "a sound: only pictures and texts are asked for"
        assert decode(chosen, tmp_path / "a.wav").rejection is Rejection.NOT_ASKED_FOR
        assert decode(chosen, tmp_path / "a.wav").hint is None
        assert reason(chosen, tmp_path / "a.mkv") == "a film: only pictures and texts are asked for"
        assert decode(chosen, tmp_path / "a.txt").text == "dog"


# Bad files


def test_an_empty_file_is_skipped(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert reason(decoder, tmp_path / "a.jpg") == "empty file"


def test_a_truncated_jpeg_is_marked(decoder: Decoder, tmp_path: Path, noise: Scene) -> None:
    path = tmp_path / "a.jpg"
    noise(200, 200).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    decoded = decode(decoder, path)
    assert decoded.outcome == "decoded"
    assert (decoded.facts.note or "").startswith("truncated")


def test_a_picture_over_the_limit_is_skipped(decoder: Decoder, tmp_path: Path, huge_png: bytes) -> None:
    (tmp_path / "a.png").write_bytes(huge_png)
    assert (reason(decoder, tmp_path / "a.png") or "").startswith("30000 x 30000 pixels is over the limit of 50 mega")


def test_damaged_pictures_are_skipped(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(1000))
    assert (reason(decoder, tmp_path / "a.png") or "").startswith("damaged or cut off")


def test_a_text_over_the_limit_is_skipped(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"dog " * (5 << 20))
    assert reason(decoder, tmp_path / "a.txt") == "a text of over 16 MiB: split it"


def test_pipes_devices_sockets_and_folders_are_not_waited_for(decoder: Decoder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    os.symlink("/dev/zero", tmp_path / "zero.jpg")
    for path in (tmp_path / "pipe.jpg", tmp_path / "socket", tmp_path / "zero.jpg", Path("/dev/null"), tmp_path):
        assert reason(decoder, path) == "not a regular file"


def test_a_file_that_has_vanished_is_skipped(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.symlink("nowhere", tmp_path / "link")
    for path in (tmp_path / "none.jpg", tmp_path / "file" / "below.jpg", tmp_path / "link"):
        assert reason(decoder, path) == "vanished before it could be read"


# Faults, injected by a worker of the tests' own around the real one


@pytest.fixture
def faulty(tmp_path: Path) -> Callable[..., Decoder]:
    """A decoder whose workers do what a file's name says, and are real otherwise."""
    script = tmp_path / "faulty_worker.py"
    script.write_text(
        textwrap.dedent(
            """
            import ctypes, os, sys, time
            from mmsearch.retrieval.media.workers import worker

            real_decode, real_open = worker.decode_file, os.open

            def decode_file(request, opened, workspace, channel):
                path = request.job.path
                if b"crash" in path:
                    ctypes.string_at(0)
                if b"exit" in path:
                    os._exit(7)
                if b"murder" in path:
                    os.kill(os.getpid(), 9)
                if b"hang" in path:
                    time.sleep(1000)
                if b"babble" in path:
                    print("a library's chatter")
                    os.system("echo and a child's")
                if b"greedy" in path:
                    bytearray(1 << 45)
                if b"bloated" in path:
                    held = bytearray(os.urandom(1 << 20)) * 1500
                    time.sleep(1000)
                if b"bug" in path:
                    raise ZeroDivisionError("oh")

                def send(message, send=channel.send):
                    send(message)
                    if not isinstance(message, worker.Extent):
                        return
                    if b"altered" in path:
                        with open(path, "ab") as file:
                            file.write(b"more")
                    if b"slow" in path:
                        time.sleep(1)
                    if b"fleeting" in path:
                        os.unlink(path)

                return real_decode(request, opened, workspace, worker.WorkerChannel(send, channel.wait))

            def denied(path, flags, *rest):
                if isinstance(path, bytes) and b"secret" in path:
                    raise PermissionError(13, "Permission denied")
                return real_open(path, flags, *rest)

            if "unconfined" in sys.argv:  # it changes files itself, in the place of other programs
                worker.confine = lambda *_: None
            worker.decode_file, os.open = decode_file, denied
            worker.main()
            """
        )
    )

    def make(workers: int = 1, confined: bool = True, **options: object) -> Decoder:
        command = [sys.executable, str(script), *([] if confined else ["unconfined"])]
        return Decoder(workers, PICTURES, slots=4, _worker_command=command, **options)  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("crash.png", "the decoder crashed (signal 11)"),
        ("exit.png", "the decoder crashed (exit code 7)"),
        ("murder.png", "the decoder was killed, perhaps for want of memory"),
        ("hang.png", "the decoder took longer than 0 s"),
        ("greedy.png", "needs more memory than a decoder may use"),
        ("bloated.png", "needs more memory than a decoder may use"),
        ("bug.png", "the decoder failed: ZeroDivisionError: oh"),
        ("altered.png", "changed while it was read; run again"),
        ("fleeting.png", "vanished before it could be read"),
        ("secret.png", "cannot be read: permission denied"),
    ],
)
def test_a_fault_costs_one_file_and_the_run_goes_on(
    name: str, expected: str, faulty: Callable[..., Decoder], tmp_path: Path, scene: Scene
) -> None:
    names = ["a.png", name, "b.png"]
    for each in names:
        scene().save(tmp_path / each)
    bounds = {"max_pixels": 1_000_000} if name == "bloated.png" else {}
    confined = name not in ("altered.png", "fleeting.png")
    with faulty(confined=confined, time_limit_s=0.4 if name == "hang.png" else 30, **bounds) as decoder:
        found = {}
        for decoded in filter(None, decoder.map(Job(os.fsencode(tmp_path / each)) for each in names)):
            found[Path(os.fsdecode(decoded.path)).name] = decoded.reason
            decoder.release(decoded)
    assert found == {"a.png": None, name: expected, "b.png": None}


def test_what_libraries_print_stays_out_of_the_replies(
    faulty: Callable[..., Decoder], tmp_path: Path, scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    scene().save(tmp_path / "babble.png")
    with faulty() as decoder:
        assert decode(decoder, tmp_path / "babble.png").outcome == "decoded"
    assert capfd.readouterr() == ("", "")


def test_the_deadline_grows_with_the_file(faulty: Callable[..., Decoder], tmp_path: Path) -> None:
    (tmp_path / "slow-small.txt").write_text("dog")
    (tmp_path / "slow-large.txt").write_text("dog " * 2_000_000)
    with faulty(time_limit_s=0.4) as decoder:
        assert reason(decoder, tmp_path / "slow-small.txt") == "the decoder took longer than 0 s"
        assert decode(decoder, tmp_path / "slow-large.txt").outcome == "decoded"


# Processes and memory


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_workers_share_the_files(tmp_path: Path, scene: Scene) -> None:
    for index in range(40):
        scene(60 + index, 50).save(tmp_path / f"{index}.png")
    jobs = [Job(os.fsencode(path)) for path in tmp_path.iterdir()]
    with Decoder(2, PICTURES, slots=4) as decoder:
        widths = set()
        for decoded in filter(None, decoder.map(jobs)):
            assert decoded.pixels is not None
            widths.add(decoded.facts.width)
            decoder.release(decoded)
    assert widths == set(range(60, 100))


def test_no_more_pictures_are_decoded_than_there_are_slots(tmp_path: Path, scene: Scene) -> None:
    scene().save(tmp_path / "a.png")
    taken = []

    def jobs() -> Iterator[Job]:
        for index in range(20):
            taken.append(index)
            yield Job(os.fsencode(tmp_path / "a.png"))

    with Decoder(2, PICTURES, slots=5) as decoder:
        results = decoder.map(jobs())
        held = [next(filter(None, results)) for _ in range(3)]
        time.sleep(0.3)
        assert len(taken) <= 5
        for decoded in held:
            decoder.release(decoded)
        for decoded in filter(None, results):
            decoder.release(decoded)
            decoder.release(decoded)  # a second release of the same picture frees nothing twice
    assert len(taken) == 20


def test_a_picture_stays_as_it_is_until_it_is_released(tmp_path: Path, scene: Scene) -> None:
    for index in range(12):
        Image.new("RGB", (8, 8), (index, index, index)).save(tmp_path / f"{index}.png")
    jobs = [Job(os.fsencode(tmp_path / f"{index}.png")) for index in range(12)]
    with Decoder(2, PICTURES, slots=14) as decoder:
        held = list(filter(None, decoder.map(jobs)))
        for decoded in held:
            assert decoded.pixels is not None
            assert (decoded.pixels == int(Path(os.fsdecode(decoded.path)).stem)).all()


def test_an_error_among_the_jobs_reaches_the_consumer_and_nothing_leaks(tmp_path: Path, scene: Scene) -> None:
    scene().save(tmp_path / "a.png")

    def jobs() -> Iterator[Job]:
        yield Job(os.fsencode(tmp_path / "a.png"))
        raise OSError("the disk has gone")

    before, threads = children(), threading.active_count()
    with Decoder(2, PICTURES, slots=4) as decoder, pytest.raises(OSError, match="the disk has gone"):
        list(decoder.map(jobs()))
    assert children() == before
    assert threading.active_count() == threads


def test_an_interrupt_ends_busy_workers_at_once(
    faulty: Callable[..., Decoder], tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "hang.png"):
        scene().save(tmp_path / name)
    before, threads = children(), threading.active_count()
    jobs = [Job(os.fsencode(tmp_path / name)) for name in ("a.png", "hang.png", "hang.png", "hang.png")]
    monkeypatch.setattr(decoder_module, "_STOP_LIMIT_S", 120)
    started = time.monotonic()

    def consume() -> None:
        with faulty(workers=2) as decoder:
            for decoded in decoder.map(jobs):
                if decoded is not None:  # nothing is ready yet
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert time.monotonic() - started < 60  # each hang is good for 60 s, and stopping may take 120 s
    assert children() == before
    assert threading.active_count() == threads


def test_a_decoder_goes_on_after_a_run_that_was_given_up(decoder: Decoder, tmp_path: Path, scene: Scene) -> None:
    scene().save(tmp_path / "a.png")
    job = Job(os.fsencode(tmp_path / "a.png"))
    for _ in range(6):  # more often than there are slots
        results = decoder.map([job] * 10)
        decoder.release(next(filter(None, results)))  # type: ignore[arg-type]
        results.close()  # type: ignore[attr-defined]
    assert decode(decoder, tmp_path / "a.png").outcome == "decoded"


def test_a_worker_that_dies_while_idle_is_replaced(decoder: Decoder, tmp_path: Path, scene: Scene) -> None:
    scene().save(tmp_path / "a.png")
    decode(decoder, tmp_path / "a.png")
    for child in psutil.Process().children():
        child.kill()
        child.wait()
    assert decode(decoder, tmp_path / "a.png").outcome == "decoded"


def test_workers_start_when_they_are_needed_and_end_with_the_decoder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("dog")
    before = children()
    with Decoder(3, DecodeSpec(), slots=4) as decoder:
        assert children() == before
        decode(decoder, tmp_path / "a.txt")
        assert len(children() - before) >= 1
    assert children() == before


def test_pixels_leave_no_file_behind() -> None:
    def visible() -> set[str]:
        return {name for folder in ("/dev/shm", "/tmp") if os.path.isdir(folder) for name in os.listdir(folder)}

    before = visible()
    with Decoder(1, PICTURES, slots=4):
        assert {name for name in visible() - before if "mmsearch" in name} == set()


@pytest.mark.parametrize("command", [["/nowhere/python"], [sys.executable, "-c", "raise SystemExit('no numpy here')"]])
def test_a_worker_that_cannot_start_is_one_clear_error(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("dog")
    with Decoder(2, DecodeSpec(), slots=2, _worker_command=command) as decoder:
        with pytest.raises(MMSearchError, match="the decoder cannot be started") as caught:
            decode(decoder, tmp_path / "a.txt")
        assert "\n" not in str(caught.value)
        assert "no numpy here" in str(caught.value) or "/nowhere/python" in str(caught.value)


def test_pixels_that_find_no_room_are_one_clear_error() -> None:
    with pytest.raises(MMSearchError, match="no room for"):
        Decoder(1, DecodeSpec(image=ImageTransform(4096, 4096)), slots=1 << 20)


def test_a_second_run_at_the_same_time_is_refused(decoder: Decoder) -> None:
    results = decoder.map([Job(b"/nowhere/a"), Job(b"/nowhere/b")])
    next(results)
    with pytest.raises(RuntimeError, match="already mapping"):
        next(decoder.map([]))
    results.close()  # type: ignore[attr-defined]


# The worker process itself


def start_worker() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mmsearch.retrieval.media.workers.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(WorkerSetup(DecodeSpec(), None, None, max_pixels=1000).to_line())
    process.stdin.flush()
    assert process.stdout.readline() == READY_LINE
    return process


def test_a_worker_ends_when_its_input_closes_and_ignores_ctrl_c() -> None:
    with start_worker() as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert process.poll() is None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_a_worker_has_limits() -> None:
    with start_worker() as process:
        limits = psutil.Process(process.pid)
        assert limits.rlimit(psutil.RLIMIT_CORE)[0] == 0
        assert limits.rlimit(psutil.RLIMIT_AS)[0] < 1 << 40
        process.kill()


def test_a_worker_imports_nothing_heavy() -> None:
    code = "import sys, mmsearch.retrieval.media.workers.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pyarrow", "faiss", "typer", "rich", "onnxruntime", "torch", "av", "pi_heif", "rawpy", "psutil"}
    assert heavy.isdisjoint(done.stdout.split())


def test_a_strangers_module_in_the_working_folder_is_not_run(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger speaks')")
    scene().save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    with Decoder(1, PICTURES, slots=2) as decoder:
        assert decode(decoder, tmp_path / "a.png").outcome == "decoded"


# Films and sounds


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory, films: ModuleType) -> Path:
    """A film of 30 s, a number every half second, with a tone."""
    path = tmp_path_factory.mktemp("reel") / "reel.mp4"
    pictures = [films.numbered(number // 4, (96, 72)) for number in range(240)]
    path.write_bytes(films.film(pictures, fps=8, sound=films.tone(30, 8000), rate=8000))
    return path


def test_a_film_comes_in_parts_before_its_facts(reel: Path) -> None:
    with Decoder(1, DecodeSpec(frames=SQUASH, sample_rate=16000), slots=1) as decoder:
        decoded, parts = decoder.decode_one(Job(os.fsencode(reel)))
    assert (decoded.outcome, decoded.kind, decoded.pixels) == ("decoded", "video", None)
    assert decoded.content_hash == hashlib.blake2b(reel.read_bytes(), digest_size=16).digest()
    assert decoded.facts.duration_s == pytest.approx(30, abs=0.1)
    shots, windows = ([part for part in parts if part.kind == kind] for kind in ("shot", "window"))
    assert shots[0].start_s == pytest.approx(0, abs=0.01)
    assert all(before.end_s == after.start_s for before, after in zip(shots, shots[1:], strict=False))
    assert {shot.array.shape[1:] for shot in shots} == {(32, 48, 3)}
    assert [window.start_s for window in windows[:5]] == [0, 5, 10, 15, 20]
    assert {(len(window.array), window.array.dtype) for window in windows} == {(160_000, np.dtype(np.float32))}


def test_a_moment_of_any_length_comes_back_as_frames_or_as_sound(reel: Path) -> None:
    job = Job(os.fsencode(reel), moment=(2.1, None))
    with Decoder(1, DecodeSpec(frames=SQUASH), slots=1) as decoder:
        _, (part,) = decoder.decode_one(job)
        assert part.array.shape == (1, 32, 48, 3)
        _, parts = decoder.decode_one(Job(os.fsencode(reel), moment=(0.0, 30.0)))
        assert sum(len(part.array) for part in parts) == 12
    with Decoder(1, DecodeSpec(sample_rate=8000), slots=1) as decoder:
        _, (window,) = decoder.decode_one(job)
        assert (window.start_s, window.end_s, len(window.array)) == (0, 7.1, round(7.1 * 8000))
        _, (window,) = decoder.decode_one(Job(os.fsencode(reel), moment=(5.0, 7.5)))
        assert len(window.array) == 2.5 * 8000


def test_parts_wait_until_they_are_taken(reel: Path, tmp_path: Path) -> None:
    """However slow the consumer, what is decoded ahead is bounded, and waiting is not held against the file."""
    names = [tmp_path / f"{number}.mp4" for number in range(3)]
    for number, name in enumerate(names):
        name.write_bytes(reel.read_bytes() + bytes(number))
    with Decoder(1, DecodeSpec(sample_rate=8000), slots=1, time_limit_s=1.0) as decoder:
        decoder._limit = replace(decoder._limit, per_megabyte=0.0, per_second=0.0)
        taken = decoder.map(Job(os.fsencode(name)) for name in names)
        assert isinstance(next(filter(None, taken)), Part)
        time.sleep(2.0)
        assert decoder._run is not None
        assert decoder._run._results.qsize() <= 2
        rest = [item for item in taken if isinstance(item, Decoded)]
    assert [item.outcome for item in rest] == ["decoded"] * 3


def test_a_run_that_is_given_up_amid_a_film_ends_at_once(reel: Path) -> None:
    with Decoder(2, DecodeSpec(frames=SQUASH), slots=2) as decoder:
        begun = decoder.map([Job(os.fsencode(reel)), Job(os.fsencode(reel))])
        assert isinstance(next(filter(None, begun)), Part)
        start = time.monotonic()
        begun.close()
        assert time.monotonic() - start < 5
        assert decoder.decode_one(Job(os.fsencode(reel)))[0].outcome == "decoded"


def test_a_document_that_unpacks_to_gigabytes_is_stopped_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of 1.5 MB whose content is a gigabyte; pictures may need so much, documents may not."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"(a) Tj " * 150_000) for _ in range(1000)) + packer.flush()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 5 0 R>>>>/Contents 4 0 R>>",
        b"<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream" % (len(packed), packed),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data, offsets = b"%PDF-1.4\n", list[int]()
    for number, one in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(data)
    (tmp_path / "bomb.pdf").write_bytes(data + table + end)
    monkeypatch.setattr(process, "MOST_OF_DOCUMENT", 400 << 20)
    with Decoder(1, PICTURES, slots=2) as decoder:
        (decoded,) = filter(None, decoder.map([Job(os.fsencode(tmp_path / "bomb.pdf"))]))
    assert decoded.reason == "needs more memory than a decoder may use"
    assert decoded.why == "content", "the next run need not try again"
