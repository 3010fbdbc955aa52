"""The benchmarks' own arithmetic, and that their scripts run; what they measure is for `benchmarks/run.py`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

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
    done = run_script("run.py", "--help")
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


def test_recall_counts_queries_with_a_relevant_row_among_the_first_k(bench):
    found = [[7, 1, 2, 3, 4, 5], [0, 9, 1, 2, 3, 4], [0, 1, 2, 3, 4, 9], [0, 1, 2, 3, 4, 5]]
    relevant = [[7], [8, 9], [9], [9]]
    assert bench("recall").recall_at(found, relevant) == {"R@1": 0.25, "R@5": 0.5, "R@10": 0.75}


def test_rows_of_one_vector_answer_for_each_other(bench):
    import numpy as np

    vectors = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    assert bench("recall").with_twins(vectors, [0, 1, 2]) == [[0, 2], [1], [0, 2]]


@pytest.mark.shared
def test_moments_of_a_long_film_are_found_nearly_as_well_as_its_photographs(bench, shared):
    """200 captioned photographs joined to one film: coding, cutting and pooling cost under 5 points."""
    lines = {line["searched"]: line for line in bench("moments").measure()}
    loss = lines["loss"]
    assert lines["photos as files"]["queries"] == 1000
    assert lines["photos as files"]["R@5"] > 0.7
    assert loss["R@1"] < 0.05
    assert loss["R@5"] < 0.05


def test_ratios_compare_medians_pairs_and_processor_time(bench):
    cold_query = bench("cold_query")
    ours = [cold_query.Took(wall, 0.5) for wall in (2.0, 4.0, 9.0)]
    baseline = [cold_query.Took(wall, 0.25) for wall in (1.0, 4.0, 1.0)]
    ratios = cold_query.compare(ours, baseline)
    assert ratios["ratio_of_medians"] == 4.0
    assert ratios["median_of_ratios"] == 2.0
    assert ratios["ratio_of_cpu"] == 2.0


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


def test_an_engine_that_was_run_to_the_end_is_not_run_again(bench, tmp_path):
    lines = [{"engine": "a", "rows": 10, "phase": phase} for phase in ("build", "held", "add")]
    write(tmp_path / "ann.jsonl", [*lines, {"engine": "b", "rows": 10, "phase": "failed"}])
    assert bench("ann").done(tmp_path / "ann.jsonl") == {("a", 10)}
    assert bench("ann").done(tmp_path / "none.jsonl") == set()


@pytest.mark.parametrize("name", ["mmsearch", "mmsearch rabitq"])
def test_our_engine_answers_filters_adds_and_deletes_in_the_benchmark(bench, tmp_path, name):
    import numpy as np

    rows = np.random.default_rng(0).normal(size=(2000, 16))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    engine = bench("ann_engines").ENGINES[name][0]()
    engine.build(rows, rows[:50].astype(np.float32), tmp_path, 1)
    engine.open(tmp_path, 1, rows)
    query = rows[7].astype(np.float32)
    for point in engine.points:
        assert 7 in engine.search(query, point)
    assert all(row % 100 == 7 for row in engine.search(query, None, 7))
    added = -rows[:3]
    engine.add(np.arange(2000, 2003), added)
    assert 2001 in engine.search(added[1].astype(np.float32), None)
    engine.delete(np.array([7]))
    assert 7 not in engine.search(query, None)


def run_script(name, *arguments, env=None):
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
