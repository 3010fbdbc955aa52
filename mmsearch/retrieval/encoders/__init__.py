"""Encoders: arrays and texts → unit vectors. Importing this package loads no model and no runtime."""

from mmsearch.retrieval.encoders.catalogue import CATALOGUE, Entry, resolve
from mmsearch.retrieval.encoders.load import auto_model, load_encoder
from mmsearch.retrieval.encoders.protocol import AudioEncoder, Encoder, ImageEncoder, TextEncoder, VideoEncoder

__all__ = [
    "CATALOGUE",
    "AudioEncoder",
    "Encoder",
    "Entry",
    "ImageEncoder",
    "TextEncoder",
    "VideoEncoder",
    "auto_model",
    "load_encoder",
    "resolve",
]
