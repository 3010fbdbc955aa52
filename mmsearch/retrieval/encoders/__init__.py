"""Encoders: arrays and texts → unit vectors. Importing this package loads no model and no runtime."""

from mmsearch.retrieval.encoders.catalogue import CATALOGUE, Entry, resolve
from mmsearch.retrieval.encoders.load import auto_model, load_encoder
from mmsearch.retrieval.encoders.protocol import Encoder, ImageEncoder, TextEncoder

__all__ = [
    "CATALOGUE",
    "Encoder",
    "Entry",
    "ImageEncoder",
    "TextEncoder",
    "auto_model",
    "load_encoder",
    "resolve",
]
