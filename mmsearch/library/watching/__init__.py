"""Folders that are watched: what changes in them is indexed, and saved searches are told of new hits."""
