"""Vectors and facts on disk: immutable Parquet shards, and one manifest that names those that count."""
