"""Upkeep of a collection: indexes built and merged, files verified and repaired, status."""
