"""Searches that are kept under a name: what is new since the last look, and folders of links to their hits."""
