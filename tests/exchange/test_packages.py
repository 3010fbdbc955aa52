"""What others raise becomes one line, without passwords and without places in their sources."""

from __future__ import annotations

import pytest

from mmsearch import MMSearchError
from mmsearch.exchange.packages import explained, one_line, without_secrets


def test_an_error_of_several_lines_is_its_first():
    assert one_line(ValueError("\n  it failed\nbecause")) == "it failed"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(RuntimeError("no region, /home/me/lance-1/src/aws.rs:319:13")) == "no region"


def test_passwords_are_not_shown():
    assert without_secrets("postgresql://me:secret@host/db") == "postgresql://me@host/db"
    assert without_secrets("http://host:6333") == "http://host:6333"
    assert without_secrets("/a@b:c") == "/a@b:c"


def test_errors_of_others_name_the_place_and_mistakes_of_ours_stay_mistakes():
    with pytest.raises(MMSearchError, match="^http://x: it failed$"), explained("http://x"):
        raise ValueError("it failed\nbecause")
    with pytest.raises(NameError), explained("http://x"):
        raise NameError("a mistake")
    with pytest.raises(KeyboardInterrupt), explained("http://x"):
        raise KeyboardInterrupt
