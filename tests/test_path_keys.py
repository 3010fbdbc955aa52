from __future__ import annotations

from mmsearch.path_keys import path_key


def test_a_path_has_one_number_that_fits_a_column():
    assert path_key("/a/b.jpg") == path_key("/a/b.jpg")
    assert len({path_key(f"/{i}") for i in range(1000)}) == 1000
    assert all(0 <= path_key(f"/{i}") < 1 << 63 for i in range(1000))
    assert path_key("/\udcff") != path_key("/\udcfe")
