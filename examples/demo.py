"""``make demo``: index a few real photographs, and a folder of yours if you name one, and ask three questions."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from photos import copy_photographs

QUESTIONS = ("a cat", "a cup of coffee", "a rocket launch at night")


def mmsearch(*arguments: str) -> None:
    """Run the command as a person would, and show what they would have typed."""
    print(f"\n$ mmsearch {' '.join(repr(a) if ' ' in a else a for a in arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "mmsearch", *arguments], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mmsearch-demo-") as folder:
        os.environ["MMSEARCH_COLLECTION"] = str(Path(folder, "demo.mms"))
        own = [str(Path(name).expanduser().absolute()) for name in sys.argv[1:]]
        os.chdir(folder)
        print("copying the photographs that scikit-image brings along", flush=True)
        copy_photographs(Path("photos"))
        mmsearch("index", "photos", *own)
        for question in QUESTIONS:
            mmsearch("query", question, "-k", "3")
        mmsearch("status")


if __name__ == "__main__":
    main()
