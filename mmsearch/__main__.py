"""``python -m mmsearch``."""

from mmsearch.cli import main

main()
