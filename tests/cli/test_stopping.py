"""Ctrl-C ends a command wherever it comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

FINALIZED = """
import os, signal, sys, time
from mmsearch.cli.stopping import keep_interruptions, until_stopped

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)  # the interruption comes here, where Python loses it

keep_interruptions()
with until_stopped() as stop:
    Finalized()
    time.sleep(20)
    print("never stopped")
print(stop.is_set())
try:
    Finalized()
    time.sleep(20)
    print("never stopped")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
def test_an_interruption_in_a_finalizer_is_not_lost():
    ran = subprocess.run([sys.executable, "-c", FINALIZED], capture_output=True, text=True, timeout=60)
    assert (ran.stdout.split("\n")[:2], ran.stderr, ran.returncode) == (["True", "interrupted"], "", 0)


def test_other_errors_of_finalizers_are_reported_as_before():
    program = """
from mmsearch.cli.stopping import keep_interruptions
class Finalized:
    def __del__(self):
        raise ValueError("in a finalizer")
keep_interruptions()
Finalized()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "ValueError: in a finalizer" in ran.stderr
    assert ran.returncode == 0
