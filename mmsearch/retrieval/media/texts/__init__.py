"""Texts, tables and subtitles: bytes to passages that a text tower can read whole."""
