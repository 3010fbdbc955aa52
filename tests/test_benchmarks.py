"""The benchmarks' own arithmetic, and that their scripts run; what they measure is for `benchmarks/run.py`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ABOUT = {
    "date": "2026-01-01T00:00:00+00:00",
    "machine": {"cpu": "a CPU", "cores": 2},
    "versions": {"mmsearch": "0"},
}


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of the benchmarks, which are scripts beside each other and no package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(BENCHMARKS)):
            del sys.modules[name]


def test_results_name_the_machine_and_the_versions(bench, tmp_path):
    path = bench("run").write_results(tmp_path / "new", "toy", [{"R@1": 0.5}, {"R@1": 0.75}])
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["R@1"] for line in lines] == [0.5, 0.75]
    for line in lines:
        assert line["case"] == "toy"
        assert line["date"].endswith("+00:00")
        assert set(line["machine"]) == {"cpu", "cores", "memory_gib", "os"}
        assert {"python", "mmsearch", "commit", "numpy", "pyarrow"} <= set(line["versions"])


def test_results_name_neither_the_host_nor_a_folder(bench, tmp_path):
    import platform

    text = bench("run").write_results(tmp_path, "toy", [{}]).read_text("utf-8")
    about = json.loads(text)
    values = [str(value) for part in ("machine", "versions") for value in about[part].values()]
    assert platform.node() not in values
    assert str(BENCHMARKS.parent) not in text


def test_a_run_replaces_the_results_of_the_last(bench, tmp_path):
    run = bench("run")
    run.write_results(tmp_path, "toy", [{"value": 1}, {"value": 2}])
    path = run.write_results(tmp_path, "toy", [{"value": 3}])
    assert [json.loads(line)["value"] for line in path.read_text("utf-8").splitlines()] == [3]


def test_help_names_every_case():
    done = run_script("run.py", "--help", env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert all(case in done.stdout for case in ("recall", "moments", "cold-query", "ingest"))


def test_an_unknown_case_is_refused_and_the_known_ones_are_named():
    done = run_script("run.py", "speed")
    assert done.returncode == 2
    assert re.search("no case speed; there are: .*cold-query", done.stderr)


def test_a_case_without_its_data_says_so_and_writes_nothing(tmp_path):
    environment = {**os.environ, "MMSEARCH_SHARED": str(tmp_path / "nowhere")}
    done = run_script("run.py", "--out", str(tmp_path / "results"), env=environment)
    assert done.returncode == 1
    assert done.stderr.count("was not run: it needs the data set flickr8k_dev500") >= 4
    assert not (tmp_path / "results").exists()


def test_without_a_gpu_its_case_says_so_and_writes_nothing(tmp_path):
    pytest.importorskip("torch", reason="needs the extra `clip`")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = run_script("gpu.py", "--out", str(tmp_path / "results"), env=environment)
    assert done.returncode == 1
    assert "it needs a GPU that PyTorch sees" in done.stderr
    assert not (tmp_path / "results").exists()


def test_recall_counts_queries_with_a_relevant_row_among_the_first_k(bench):
    found = [[7, 1, 2, 3, 4, 5], [0, 9, 1, 2, 3, 4], [0, 1, 2, 3, 4, 9], [0, 1, 2, 3, 4, 5]]
    relevant = [[7], [8, 9], [9], [9]]
    assert bench("recall").recall_at(found, relevant) == {"R@1": 0.25, "R@5": 0.5, "R@10": 0.75}


def test_rows_of_one_vector_answer_for_each_other(bench):
    import numpy as np

    vectors = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    assert bench("recall").with_duplicates(vectors, [0, 1, 2]) == [[0, 2], [1], [0, 2]]


@pytest.mark.shared
def test_moments_of_a_long_film_are_found_nearly_as_well_as_its_photographs(bench, shared):
    """200 captioned photographs joined to one film: coding, cutting and pooling cost under 5 points."""
    lines = {line["searched"]: line for line in bench("moments").measure()}
    loss = lines["loss"]
    assert lines["photos as files"]["queries"] == 1000
    assert lines["photos as files"]["R@5"] > 0.7
    assert loss["R@1"] < 0.05
    assert loss["R@5"] < 0.05


def test_marked_photographs_are_no_gain_by_themselves(bench):
    feedback = bench("feedback")
    photos = unit_rows(40, 16)
    right = np.arange(40) < 10
    half = feedback.Half(photos, unit_rows(3, 16, seed=1), np.stack([right] * 3))
    for marks in ("first", "liked", "not liked"):
        for before, same in feedback.run(half, marks, 3, [lambda query, *_: query]):
            assert before == same
    (_, (precision, recall)), *_ = feedback.run(half, "liked", 3, [lambda *_: photos[right].sum(axis=0)])
    assert precision > 0.5
    assert recall > 0.5
    assert feedback.scores(np.array([3.0, 2.0, 1.0]), np.array([True, False, True])) == pytest.approx((5 / 6, 1.0))


def test_ratios_compare_medians_pairs_and_processor_time(bench):
    cold_query = bench("cold_query")
    ours = [cold_query.Took(wall, 0.5, 90.0) for wall in (2.0, 4.0, 9.0)]
    baseline = [cold_query.Took(wall, 0.25, 60.0) for wall in (1.0, 4.0, 1.0)]
    ratios = cold_query.compare(ours, baseline)
    assert ratios["ratio_of_medians"] == 4.0
    assert ratios["median_of_ratios"] == 2.0
    assert ratios["ratio_of_cpu"] == 2.0
    assert ratios["ratio_of_peaks"] == 1.5


def test_the_parts_of_embedding_a_sound_add_up_and_its_vector_is_what_it_was(bench):
    parts, cosine = bench("sounds").measure(count=1, rounds=1)
    assert list(parts) == ["decode and resample", "front end", "network", "its floats alone", "whole"]
    del parts["its floats alone"]
    whole = parts.pop("whole")
    for way in ("now", "before"):
        assert whole[way] == pytest.approx(sum(part[way] for part in parts.values()))
    assert cosine > 0.9999


def test_a_stand_in_for_a_gpu_takes_its_time_in_order_and_a_run_embeds_all(bench):
    feeding = bench("feeding")
    device = feeding.StandInDevice(rate=2000, launch_s=0.01)
    pixels = np.zeros((20, feeding.SIDE, feeding.SIDE, 3), np.uint8)
    waits = [device.begin_images(pixels) for _ in range(3)]
    assert [len(wait()) for wait in waits] == [20, 20, 20]
    assert device.busy_s == pytest.approx(0.03)
    assert device.free_at - device.began >= 0.03 - 1e-9, "two batches were computed at once"
    feeding.embed(device, feeding.pictures(pixels, 50))
    assert device.busy_s == pytest.approx(0.03 + 50 / 2000), "a picture was embedded twice, or not"


def test_without_instructions_a_library_does_not_see_them_and_vectors_are_near(bench, tmp_path):
    without = bench("without")
    if not without.can_hide():
        pytest.skip("this machine cannot hide instructions")
    program = (
        "import sys, numpy as np; from numpy._core._multiarray_umath import __cpu_features__ as seen;"
        "from mmsearch.retrieval.encoders.mini import MiniEncoder;"
        "pixels = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8);"
        "np.save(sys.argv[1], MiniEncoder(1).encode_images(pixels)); print(seen['AVX512F'], seen['AVX2'])"
    )
    vectors = []
    for hidden in ("", "avx512,vnni,amx"):
        command = [sys.executable, "-c", program, str(tmp_path / "vectors.npy")]
        around = without.environment(hidden, tmp_path)
        done = subprocess.run(command, env=around, cwd=BENCHMARKS.parent, capture_output=True, text=True, check=True)
        vectors.append(np.load(tmp_path / "vectors.npy"))
    assert done.stdout.split() == ["False", "True"]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


def test_both_ways_of_decoding_a_sound_give_the_same_windows(bench):
    import numpy as np

    sounds = bench("sounds")
    file = sounds.recording(15)
    now, before = sounds.decoded(file), sounds.decoded_before(file)
    assert len(now) == 2
    np.testing.assert_array_equal(now, before)


def test_plot_draws_each_case_that_has_results(bench, tmp_path):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib (extra `bench`)")
    recalls = {"R@1": 0.3, "R@5": 0.6, "R@10": 0.9}
    line = {"set": "toy", "direction": "text → image", **recalls, **ABOUT}
    ways = [
        {"via": "brute force", "index": "IVF2,PQ2", "stated": recalls},
        {"via": "index", "index": "IVF2,PQ2", "tuned_on": ["row", "text"], "stated": recalls},
    ]
    write(tmp_path / "recall.jsonl", [{**line, **way} for way in ways])
    write(tmp_path / "ingest.jsonl", [{"stage": "whole", "items": 5, "items_per_s": 70.0, **ABOUT}])
    drawn = bench("plot").draw(tmp_path)
    assert [path.name for path in drawn] == ["recall.svg", "ingest.svg"]
    assert all(path.read_text("utf-8").rstrip().endswith("</svg>") for path in drawn)


def test_plot_without_results_says_what_makes_them(tmp_path):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib (extra `bench`)")
    done = run_script("plot.py", "--results", str(tmp_path))
    assert done.returncode == 1
    assert "benchmarks/run.py makes them" in done.stderr


def test_generated_vectors_are_unit_and_the_same_for_a_seed(bench):
    import numpy as np

    synthetic = bench("synthetic")
    real = synthetic.unit(np.random.default_rng(0).normal(size=(300, 16)) + 1)
    gap = synthetic.Gap(mean=0.6, means_cosine=0.4, agreement=0.3, spread=0.04)
    one, other = (synthetic.Generator(real, gap) for _ in range(2))
    pictures = np.concatenate(list(one.pictures(500)))
    assert pictures.shape == (500, 16)
    assert np.allclose(np.linalg.norm(pictures.astype(np.float32), axis=1), 1, atol=2e-3)
    assert np.array_equal(pictures, np.concatenate(list(other.pictures(500))))
    assert not np.array_equal(pictures, np.concatenate(list(one.pictures(500, stream=5))))
    assert np.linalg.norm(one.texts(200).mean(axis=0)) == pytest.approx(0.6, abs=0.1)


def unit_rows(rows, dim, seed=0):
    import numpy as np

    made = np.random.default_rng(seed).normal(size=(rows, dim))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture
def ann_data(bench, tmp_path):
    """What `ann.prepare` makes, of 2,000 random vectors: it finds them and makes nothing."""
    import numpy as np

    folder = tmp_path / "work" / "data-2000"
    folder.mkdir(parents=True)
    rows = unit_rows(2000, 16)
    queries = unit_rows(20, 16, seed=1).astype(np.float32)
    for name, values in {"rows": rows, "added": unit_rows(1000, 16, seed=2), "tuning": queries}.items():
        np.save(folder / f"{name}.npy", values)
    for kind in ("text", "picture"):
        np.save(folder / f"{kind}.npy", queries)
        np.save(folder / f"{kind}-truth.npy", bench("ann").nearest(rows, queries))
    np.save(folder / "texts.npy", np.repeat(queries, 5, axis=0))
    np.save(folder / "texts-truth.npy", np.repeat(np.load(folder / "text-truth.npy"), 5, axis=0))
    inside = np.arange(2000) % 100 == 7
    np.save(folder / "text-filtered-truth.npy", bench("ann").nearest(rows, queries, inside))
    return folder


def test_what_was_built_and_measured_is_neither_built_nor_measured_again(bench, ann_data, tmp_path):
    ann = bench("ann")
    arguments = ["--rows", "2000", "--threads", "1", "--engines", "mmsearch", "--work", str(ann_data.parent)]
    first, second = tmp_path / "first", tmp_path / "second"
    ann.main([*arguments, "--phase", "build", "--out", str(first)])
    assert [line["phase"] for line in ann.read(first / "ann.jsonl")] == ["build"]
    ann.main([*arguments, "--phase", "search", "--out", str(second)])
    lines = ann.read(second / "ann.jsonl")
    assert lines[0] == ann.read(first / "ann.jsonl")[0]
    phases = {line["phase"] for line in lines}
    assert phases == {"build", "open", "search", "filter", "held", "add", "during", "delete"}
    assert {line["kind"] for line in lines if line["phase"] == "search"} == {"text", "picture"}
    added = next(line for line in lines if line["phase"] == "add")
    assert (added["rows"], added["count"], added["found"]) == (2000, 1000, 1)
    assert all("faiss-cpu" in line["versions"] for line in lines)
    text = (second / "ann.jsonl").read_text("utf-8")
    ann.main([*arguments, "--out", str(second)])
    assert (second / "ann.jsonl").read_text("utf-8") == text


def test_many_queries_are_asked_at_once(bench, ann_data, tmp_path):
    ann = bench("ann")
    arguments = ["--rows", "2000", "--threads", "2", "--engines", "mmsearch", "--work", str(ann_data.parent)]
    ann.main([*arguments, "--phase", "build", "batch", "--out", str(tmp_path)])
    lines = [line for line in ann.read(tmp_path / "ann.jsonl") if line["phase"] == "batch"]
    assert lines[-1]["recall"] > 0.9
    assert all(line["queries"] == 100 and line["threads"] == 2 and line["qps"] > 0 for line in lines)


def test_a_search_of_what_was_not_built_says_so_and_writes_nothing(bench, ann_data, tmp_path, capsys):
    arguments = ["--rows", "2000", "--phase", "search", "--engines", "mmsearch", "--work", str(ann_data.parent)]
    bench("ann").main([*arguments, "--out", str(tmp_path)])
    assert "--phase build builds it" in capsys.readouterr().out
    assert not (tmp_path / "ann.jsonl").exists()


def test_a_failed_build_leaves_a_line_that_says_why(bench, ann_data, tmp_path):
    ann = bench("ann")
    arguments = ["--rows", "2000", "--engines", "faiss IVF,PQ64", "--work", str(ann_data.parent)]
    ann.main([*arguments, "--out", str(tmp_path)])  # 64 codes do not fit into 16 dimensions
    (line,) = ann.read(tmp_path / "ann.jsonl")
    assert (line["phase"], line["of"]) == ("failed", "build")
    assert line["why"].startswith("build: ")


@pytest.mark.parametrize("name", ["mmsearch", "mmsearch QW,IVF,PQ32", "mmsearch rabitq"])
def test_our_engine_answers_filters_adds_and_deletes_in_the_benchmark(bench, tmp_path, name):
    import numpy as np

    rows = unit_rows(2000, 16)
    engine = bench("ann_engines").ENGINES[name][0]()
    engine.build(rows, rows[:50].astype(np.float32), tmp_path)
    engine.open(tmp_path, rows, changing=True)
    query = rows[7].astype(np.float32)
    for point in (*engine.points, engine.harder(engine.points[-1])):
        assert 7 in engine.search(query, point)
    assert all(row % 100 == 7 for row in engine.search(query, 1, 7))
    added = -rows[:3]
    engine.add(np.arange(2000, 2003), added)
    assert 2001 in engine.search(added[1].astype(np.float32), 1)
    engine.delete(np.array([7]))
    assert 7 not in engine.search(query, 1)


@pytest.mark.parametrize("name", ["faiss IVF,PQ256x4fsr,Refine", "faiss HNSW32"])
def test_faiss_answers_and_filters_in_the_benchmark(bench, tmp_path, name):
    import numpy as np

    rows = unit_rows(3000, 512)
    engine = bench("ann_engines").ENGINES[name][0]()
    engine.build(rows, None, tmp_path)
    engine.open(tmp_path, rows, changing=False)
    query = rows[7].astype(np.float32)
    for point in engine.points:
        assert 7 in engine.search(query, point)
    inside = engine.search(query, engine.points[-1], 7)
    assert 7 in inside
    assert all(row % 100 == 7 for row in inside)


def test_an_engine_tries_harder_until_its_recall_is_high_enough(bench):
    import numpy as np

    class FindsFew(bench("ann_engine").Engine):
        """Finds as many of the ten as its point says."""

        points = (1, 2)

        def search(self, query, point, bucket=None):
            return np.arange(min(point, 10))

    swept = bench("ann_worker").swept(FindsFew(), np.zeros((3, 4)), np.tile(np.arange(10), (3, 1)))
    assert [(point, found["recall"]) for point, found in swept] == [(1, 0.1), (2, 0.2), (4, 0.4), (8, 0.8), (16, 1.0)]


def search_lines(engine, times, *, date=ABOUT["date"], kind="text", cpu="a CPU"):
    """Searches at recalls of 0.90, 0.96 and 0.99 that take so many milliseconds."""
    about = {"case": "ann", "engine": engine, "rows": 10, "threads": 1, **ABOUT, "date": date}
    about["machine"] = {**ABOUT["machine"], "cpu": cpu}
    points = zip((0.90, 0.96, 0.99), times, strict=True)
    return [
        {**about, "phase": "search", "kind": kind, "point": n, "recall": recall, "p50_ms": ms, "p99_ms": 2 * ms}
        for n, (recall, ms) in enumerate(points)
    ]


def test_the_time_at_a_recall_lies_between_those_of_its_neighbours(bench):
    ann_table = bench("ann_table")
    points = search_lines("a", (1.0, 4.0, 9.0))
    assert ann_table.time_at(points, 0.93) == (pytest.approx(2.0), False)  # halfway, in logarithms
    assert ann_table.time_at(points, 0.96) == (pytest.approx(4.0), False)
    assert ann_table.time_at(points, 0.80) == (1.0, True)
    assert ann_table.time_at(points, 0.995) is None
    dearer = search_lines("a", (1.0, 10.0, 4.0))  # the middle one is beaten in both
    assert ann_table.front(dearer) == [(0.90, 1.0), (0.99, 4.0)]


def test_the_table_takes_the_newest_run_and_compares_at_the_same_recall(bench):
    both = [
        line
        for kind in ("text", "picture")
        for line in (
            *search_lines("mmsearch", (9.0, 9.0, 9.0), date="2025-01-01T00:00:00+00:00", kind=kind),
            *search_lines("mmsearch", (1.0, 2.0, 4.0), kind=kind),
            *search_lines("other", (3.0, 6.0, 12.0), kind=kind),
        )
    ]
    printed = bench("ann_table").table(both)
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| other") and "0.960" in line]
    assert [(row[2], row[3], row[8]) for row in rows] == [("0.960", "6.00", "3.00")]
    assert "9.00" not in printed


def test_of_several_runs_the_median_ratio_stands_each_beside_the_run_of_ours_nearest_in_time(bench):
    lines = [
        line
        for day, (ours, theirs) in enumerate([(1.0, 3.0), (10.0, 20.0), (2.0, 2.0)], start=1)
        for name, ms in (("mmsearch", ours), ("other", theirs))
        for line in search_lines(name, (ms, 2 * ms, 4 * ms), date=f"2026-01-0{day}T00:00:00+00:00")
    ]
    assert bench("ann_table")._ratio(lines, "other", 10, "text", 0.96) == "2.00 (1.00 to 3.00, 3 runs)"


def test_what_two_machines_measured_is_never_compared(bench):
    lines = [
        *search_lines("mmsearch", (1.0, 2.0, 4.0)),
        *search_lines("other", (3.0, 6.0, 12.0)),
        *search_lines("mmsearch", (10.0, 20.0, 40.0), cpu="a slow CPU", date="2026-01-02T00:00:00+00:00"),
    ]
    ann_table = bench("ann_table")
    here, there = ann_table.table(lines).split("### ")[1:]
    assert here.startswith("10 rows, a CPU\n")
    assert "| other | 1 | 0.960 | 6.00 |" in here
    assert "| 3.00 |" in here
    assert there.startswith("10 rows, a slow CPU\n")
    assert "| other" not in there
    assert {line["machine"]["cpu"] for line in ann_table.comparable(lines)} == {"a CPU"}  # with most engines


def test_plot_draws_the_curves_of_the_engines(bench, tmp_path):
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib (extra `bench`)")
    lines = [*search_lines("mmsearch", (1.0, 2.0, 4.0)), *search_lines("mmsearch", (1.0, 2.0, 4.0), kind="picture")]
    held = {**lines[0], "phase": "held", "held_bytes": 150.0}
    write(tmp_path / "ann.jsonl", [*lines, held])
    drawn = bench("plot").draw(tmp_path)
    assert [path.name for path in drawn] == ["ann.svg", "ann-engines.svg", "ann-pictures.svg", "ann-bytes.svg"]
    assert all(path.read_text("utf-8").rstrip().endswith("</svg>") for path in drawn)


def test_curves_are_drawn_of_the_most_rows_on_which_engines_were_compared(bench):
    plot = bench("plot")
    sizes = {200: ("ours", "a", "b"), 1000: ("ours", "a"), 10_000: ("ours",)}
    lines = [{"phase": "search", "engine": name, "rows": rows} for rows, names in sizes.items() for name in names]
    assert plot._most_rows(lines) == 1000
    assert plot._most_rows(lines[-1:]) == 10_000
    assert plot._most_engines(lines) == 200


def test_adding_to_a_collection_is_measured_and_touches_no_old_file(bench, ann_data, tmp_path):
    ann_collection = bench("ann_collection")
    lines = ann_collection.ours(tmp_path / "collection", ann_data, 1)
    added = [line for line in lines if line["phase"] == "add"]
    assert len(added) == ann_collection.TIMES
    assert all((line["count"], line["found"], line["changed"]) == (1000, 1, []) for line in added)
    assert lines[-1]["phase"] == "index rebuilt"


def test_a_file_that_was_written_to_or_is_gone_counts_as_changed(bench, tmp_path):
    ann_collection = bench("ann_collection")
    for name in ("kept", "grown", "gone"):
        (tmp_path / name).write_text(name)
    before = ann_collection.files_of(tmp_path)
    (tmp_path / "grown").write_text("grown longer")
    (tmp_path / "gone").unlink()
    (tmp_path / "new").write_text("new")
    assert ann_collection.changed(before, tmp_path) == ["gone", "grown"]


def run_script(name, *arguments, env=None):
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_what_an_engine_told_before_its_time_was_up_is_kept(bench):
    talks = [sys.executable, "-c", "print('{}', flush=True); import time; time.sleep(60)"]
    assert bench("ann").finished(talks, dict(os.environ), timeout=2) == ("{}\n", "it took more than 2 s")
    fails = [sys.executable, "-c", "print('{}', flush=True); raise SystemExit('no room')"]
    assert bench("ann").finished(fails, dict(os.environ), timeout=60) == ("{}\n", "no room")


def test_things_that_a_caption_names_are_not_absent(bench):
    data = bench("belief_data")
    assert data.unnamed(["a giraffe", "two giraffes", "an owl", "a zebra"], ["A giraffe eats ."]) == [
        "an owl",
        "a zebra",
    ]


def test_clients_that_ask_together_count_answers_failures_and_times(bench):
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            fails = asked[-1]["q"] == "bad"
            self.send_response(500 if fails else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    load = bench("serve_load")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        words = iter(["one", "two", "bad", "three", "never asked"])
        make = load.posted("/", lambda question: {"q": question})
        found = load.ask_together(address, make, words, clients=2, process=os.getpid(), count=4)
        server.shutdown()
    assert {one["q"] for one in asked} == {"one", "two", "bad", "three"}
    summary = found.summary()
    assert (summary["answers"], summary["failed"]) == (3, 1)
    assert 0 < summary["p50_ms"] <= summary["p99_ms"]
    assert found.last == b"{}"


def test_questions_to_servers_never_come_twice(bench, tmp_path):
    pairs = [{"query": f"dog {i} runs on the beach of {i % 7}"} for i in range(20)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    words = bench("serve").new_questions(tmp_path)
    found = list(words)
    assert len(set(found)) == len(found) == 20 * 7
    assert {len(one.split()) for one in found} == {8}


def result(**fields):
    return {"case": "toy", **ABOUT, **fields}


def write_lines(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_two_results_of_one_machine_are_compared_and_what_got_worse_is_marked(tmp_path):
    old = write_lines(tmp_path / "old.jsonl", result(stage="decode", seconds=1.0, items_per_s=100.0, recall=0.9))
    new = write_lines(tmp_path / "new.jsonl", result(stage="decode", seconds=1.2, items_per_s=95.0, recall=0.899))
    done = run_script("run.py", "--compare", str(old), str(new))
    assert done.returncode == 1, done.stderr
    assert re.search(r"seconds +1 → 1.2 +× 1.200 +WORSE  stage decode", done.stdout)
    assert done.stdout.count("WORSE") == 1
    assert "3 measurements compared, 1 worse by more than 10%" in done.stdout
    assert run_script("run.py", "--compare", str(old), str(new), "--tolerance", "0.25").returncode == 0
    assert run_script("run.py", "--compare", str(new), str(old)).returncode == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "worse"),
    [
        ("p50_ms", 1.0, 1.11, True),
        ("p50_ms", 1.0, 1.09, False),
        ("p50_ms", 1.0, 0.1, False),
        ("queries_s", 100.0, 89.0, True),
        ("queries_s", 100.0, 300.0, False),
        ("R@5", 0.7, 0.694, True),
        ("R@5", 0.7, 0.696, False),
        ("cpu_s", 0.001, 0.002, False),  # too short to be measured by the clock
        ("peak_mb", 100.0, 120.0, True),
        ("batch", 8, 32, False),
    ],
)
def test_less_time_and_more_recall_are_better(bench, name, old, new, worse):
    assert bench("compare").is_worse(name, old, new, 0.1) is worse


def test_runs_of_the_same_are_compared_by_their_median_and_rivals_are_not_judged(bench, tmp_path):
    ours = {"engine": "mmsearch", "rows": 1000}
    old = write_lines(tmp_path / "old", *(result(**ours, ms=ms) for ms in (1.0, 9.0, 2.0)), result(engine="x", ms=1.0))
    new = write_lines(tmp_path / "new", result(**ours, ms=2.0), result(engine="x", ms=5.0), result(engine="y", ms=1.0))
    compared, only = bench("compare").compare(old, new, 0.1)
    assert [(one.what, one.old, one.new, one.worse) for one in compared] == [
        ("engine mmsearch, rows 1000", 2.0, 2.0, False),
        ("engine x", 1.0, 5.0, False),
    ]
    assert only == ["toy: only measured now: engine y"]


def test_results_of_different_machines_are_not_compared(tmp_path):
    old = write_lines(tmp_path / "old.jsonl", result(seconds=1.0))
    new = write_lines(tmp_path / "new.jsonl", result(seconds=1.0) | {"machine": {"cpu": "another", "cores": 2}})
    done = run_script("run.py", "--compare", str(old), str(new))
    assert done.returncode == 2
    assert "toy was measured on different machines: a CPU with 2 cores and another with 2 cores" in done.stderr
    done = run_script("run.py", "--compare", str(old), str(tmp_path / "gone.jsonl"))
    assert done.returncode == 2
    assert "there are no results at" in done.stderr


def test_costs_of_more_rows_follow_from_the_rates_that_were_measured(bench):
    """Ten times as many rows take ten times as long to store and to compare, and somewhat longer to encode."""
    size = {"rows": 20_000_000, "dim": 512}
    lines = [
        {"part": "rows", **size, "written_a_s": 50_000, "shards_gb": 21.0},
        {"part": "truth", **size, "products_a_processor_s": 30_000_000_000},
        {
            **{"part": "index", "lists": 8192, "groups": 256, "train_rows": 524_288, "code_bytes": 64, **size},
            **{f"{name}_processor_s": 100.0 for name in ("train", "encode", "merge", "join")},
        },
    ]
    table = bench("big_index_costs").cost_table(lines)
    split = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    rows = {cells[0]: cells[1:] for cells in split}
    heads = rows[""]
    assert heads == ["20,000,000 × 512, measured", "100,000,000 × 512", "1,000,000,000 × 512"]
    assert rows["processor hours: shards written"] == ["0.11", "0.56", "5.6"]
    assert rows["calibration"] == ["0.05", "0.24", "2.4"]
    assert float(rows["encoding"][2]) > 10 * float(rows["encoding"][1])
    assert rows["GB of memory to search, on one machine"] == ["1.6", "8.0", "80.2"]
