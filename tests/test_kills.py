"""Kills at every point where bytes or names reach the disk: each leaves the state before or the state after.

A process of its own forks a child for each point, which ends itself there as ``kill -9`` would: no handler runs,
nothing is put right. Points are the calls of fsync and rename, and every write of a file, also of FAISS and numpy.

There are some hundred, minutes' worth: every few are tried, and all of them with ``MMSEARCH_ALL_KILLS=1``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

_DRIVER = """
    import contextlib, json, os, shutil, sys
    from pathlib import Path

    import numpy as np

    from mmsearch import Collection, Space, durable
    from mmsearch.retrieval.encoders import load
    from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder
    from mmsearch.retrieval.store.manifest import load_manifest
    from mmsearch.retrieval.store.snapshot import Snapshot

    scenario, work, stride = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    home, texts = work / "c.mms", work / "texts"

    class Backwards(MiniEncoder):
        def __init__(self):
            super().__init__()
            self.space = Space("backwards", "w", "p", 256)

        def encode_texts(self, given):
            return super().encode_texts(given)[:, ::-1].copy()

    load.load_encoder = lambda name, *_, **__: Backwards() if name == "backwards" else MiniEncoder()

    def rows():
        manifest = load_manifest(home)
        snapshot = Snapshot(home, manifest)
        found = []
        for key in manifest.searched_spaces or manifest.spaces:
            for modality in manifest.modalities(key):
                part = snapshot.rows(key, modality)
                paths = part.facts(["path"])["path"].to_pylist()
                alive = part.live if part.live is not None else np.ones(len(part), bool)
                found += [(manifest.spaces[key].model, os.fsdecode(p)) for p, a in zip(paths, alive) if a]
        return sorted(found)

    def vectors(count, seed):
        return np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32)

    def begin():
        if scenario == "switch":
            texts.mkdir()
            for number in range(6):
                (texts / f"{number}.txt").write_text(f"Text number {number} of a harbour.")
            Collection.create(home, model="mini").index([texts], workers=1)
            return
        made = Collection.create(home, model=None, index="QW,IVF4,PQ4x4fsr")
        made.add(vectors(500, 0), paths=[f"/{i}" for i in range(500)], modality="image", space="s")
        made.remove(["/7"])
        if scenario == "repair":
            made.add(vectors(40, 1), paths=[f"/later/{i}" for i in range(40)], modality="image", space="s")
            manifest = load_manifest(home)
            (home / (manifest.indexes[0].path + ".faiss")).unlink()
            (home / manifest.match_samples[0].path).unlink()
            (home / manifest.tombstones[0].path).unlink()
            (home / max(manifest.shards, key=lambda shard: shard.min_id).path).unlink()

    def act():
        if scenario == "switch":
            Collection.open(home).index([texts], model="backwards", workers=1)
        elif scenario == "repair":
            Collection.doctor(home, repair=True)
        else:
            made = Collection.open(home)
            made.upsert(vectors(400, 2), paths=[f"/new/{i}" for i in range(400)], modality="image", space="s")
            made.compact()

    def in_child(work):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(reading)
                with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                    result = work()
                with open(writing, "w") as out:
                    json.dump(result, out)
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        with open(reading) as file:
            told = file.read()
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), json.loads(told) if told else None

    def counted(stop_at):
        calls = 0

        def counting(call):
            def counted_call(*arguments):
                nonlocal calls
                if calls == stop_at:
                    os._exit(9)
                calls += 1
                return call(*arguments)
            return counted_call

        os.fsync, os.replace = counting(os.fsync), counting(os.replace)
        durable.Sink.write = counting(durable.Sink.write)
        act()
        return calls

    def look():
        problems = [problem.to_json() for problem in Collection.doctor(home)]
        answers = 0
        if not problems:
            opened = Collection.open(home)
            query = "a harbour" if scenario == "switch" else vectors(1, 9)[0]
            answers = len(opened.search(query, k=5))
        return {"problems": problems, "rows": rows() if not problems else None, "answers": answers}

    assert in_child(begin)[0] == 0
    shutil.copytree(home, work / "before.mms")
    code, before = in_child(look)
    assert code == 0
    code, points = in_child(lambda: counted(None))
    assert code == 0, "it runs to its end where nothing stops it"
    code, after = in_child(look)
    results = []
    for point in range(0, points, stride):
        shutil.rmtree(home)
        shutil.copytree(work / "before.mms", home)
        code, _ = in_child(lambda: counted(point))
        assert code == 9, (point, code)
        look_code, found = in_child(look)
        again, _ = in_child(act)
        _, ended = in_child(look)
        results.append([point, look_code, found, again, ended])
    json.dump({"points": points, "before": before, "after": after, "results": results}, sys.stdout)
"""


def drive(scenario: str, folder: Path, stride: int) -> dict:
    script = folder / "driver.py"
    script.write_text(textwrap.dedent(_DRIVER))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.fspath(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, os.fspath(script), scenario, os.fspath(folder), str(stride)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("scenario", "least", "stride"), [("switch", 15, 5), ("repair", 40, 17), ("build", 60, 29)])
def test_a_kill_at_any_point_leaves_the_state_before_or_after_and_the_same_call_ends_it(
    tmp_path, scenario, least, stride
):
    told = drive(scenario, tmp_path, 1 if os.environ.get("MMSEARCH_ALL_KILLS") else stride)
    assert told["points"] > least
    before, after = told["before"], told["after"]
    assert not after["problems"]
    for point, code, found, again, ended in told["results"]:
        assert (code, again) == (0, 0), f"point {point}"
        if scenario == "repair":
            assert found["problems"] == [] or all("repaired" in problem for problem in found["problems"])
            if not found["problems"]:
                assert found["rows"] == after["rows"], f"point {point}"
        else:
            assert found["problems"] == [], f"point {point}"
            assert found["rows"] in (before["rows"], after["rows"]), f"point {point}"
            assert found["answers"] == 5
        assert ended["problems"] == [], f"point {point}"
        if scenario != "build":  # that adds its rows once more
            assert ended["rows"] == after["rows"], f"point {point}"
