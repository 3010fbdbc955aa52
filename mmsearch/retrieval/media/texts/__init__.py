"""Texts, tables and subtitles: bytes to passages that a text encoder can read whole."""
