"""The map in docs/architecture.md against the folders: it has every package, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def section(heading: str) -> str:
    """The text under a heading of the second level."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_cells(table: str) -> list[str]:
    """What stands in backticks in the first cell of each row."""
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


PACKAGES = sorted(
    f"{path.parent.relative_to(ROOT).as_posix()}/" for path in ROOT.joinpath("mmsearch").rglob("__init__.py")
)


def test_every_package_is_in_the_map_once_and_the_map_has_no_other():
    packages = [name for name in first_cells(section("Map")) if name.startswith("mmsearch/")]
    assert sorted(packages) == PACKAGES


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w.-]+(?:/[\w.-]+)*/|[\w.-]+(?:/[\w.-]+)+)`", PAGE))))
def test_every_path_on_the_page_exists(path):
    tops = ("", "mmsearch", "mmsearch/retrieval")
    assert any((ROOT / top / path).exists() for top in tops), f"docs/architecture.md names {path}"


def test_every_cell_of_the_map_says_what_the_folder_must_not_know():
    rows = [row for row in section("Map").splitlines() if row.startswith("| `mmsearch/")]
    assert len(rows) == len(PACKAGES)
    for row in rows:
        assert all(cell.strip() for cell in row.strip("|").split("|")), row


def test_the_eleven_rules_are_numbered():
    assert re.findall(r"^(\d+)\. \*\*", section("Rules"), re.MULTILINE) == [str(n) for n in range(1, 12)]


def test_the_glossary_is_sorted_and_has_the_terms_of_the_project():
    terms = re.findall(r"^\| ([\w ]+) \|", section("Glossary"), re.MULTILINE)[1:]
    assert terms == sorted(terms)
    assert set(terms) >= {
        *("space", "shard", "manifest", "snapshot", "segment", "tombstone", "calibration", "probe margin"),
        *("match", "moment", "span", "part", "passage"),
    }
