"""The guide's Python runs, block after block, in a folder with the media of the examples."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_python_of_the_guide_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / "media.py"))["make_media"](tmp_path / "media")
    blocks = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "guide.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for i, block in enumerate(blocks, 1):
        exec(compile(block, f"docs/guide.md, block {i}", "exec"), names)
    printed = capsys.readouterr().out
    assert "11 indexed, 0 skipped" in printed
    assert "sku-1 12.5" in printed
    assert (tmp_path / "rocket.mp4").stat().st_size > 0
    assert (tmp_path / "rocket.jpg").stat().st_size > 0
