"""What the machine offers is bounded by what the container allows, in both versions of cgroups."""

from __future__ import annotations

import pytest

from mmsearch.machine import free_memory, give_back_freed_memory, usable_cpus

MIB = 1 << 20


@pytest.fixture
def group(tmp_path):
    """Writes a tree of groups; returns a function that asks for a value in the innermost."""

    def make(line, files):
        (tmp_path / "membership").write_text(line + "\n")
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {"root": tmp_path, "membership": tmp_path / "membership"}

    return make


@pytest.mark.parametrize("name", ["memory.max", "memory.high"])
def test_a_limit_of_an_outer_group_holds(group, name):
    where = group(
        "0::/a/b",
        {f"a/{name}": f"{100 * MIB}\n", "a/memory.current": f"{30 * MIB}\n", "a/b/memory.max": "max\n"},
    )
    assert free_memory(**where) == 70 * MIB


def test_cached_files_of_a_group_count_as_free(group):
    where = group(
        "0::/a",
        {
            "a/memory.max": str(100 * MIB),
            "a/memory.current": str(90 * MIB),
            "a/memory.stat": f"anon 1\ninactive_file {50 * MIB}\nactive_file {10 * MIB}\n",
        },
    )
    assert free_memory(**where) == 70 * MIB


def test_version_1_is_read_also_where_a_container_sees_its_group_as_the_root(group):
    where = group(
        "4:memory:/docker/unseen",
        {
            "memory/memory.limit_in_bytes": str(64 * MIB),
            "memory/memory.usage_in_bytes": str(60 * MIB),
            "memory/memory.stat": f"inactive_file 0\ntotal_inactive_file {20 * MIB}\ntotal_active_file 0\n",
        },
    )
    assert free_memory(**where) == 24 * MIB


def test_no_limit_leaves_what_the_machine_has(group):
    assert free_memory(**group("0::/", {"memory.max": "max\n"})) > 64 * MIB


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("0::/a", {"a/cpu.max": "50000 100000\n"}),
        ("1:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}),
    ],
)
def test_a_quota_of_processors_holds(group, line, files):
    assert usable_cpus(**group(line, files)) == 1


def test_an_unlimited_group_leaves_the_processors_at_least_one(group):
    assert usable_cpus(**group("0::/", {"cpu.max": "max 100000\n"})) >= 1


def test_giving_memory_back_is_no_error_where_the_library_cannot(monkeypatch):
    give_back_freed_memory()

    def unknown(name):
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", unknown)
    give_back_freed_memory()
