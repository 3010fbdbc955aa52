"""The built-in model `mini`: its encoder, and beside it the weights and their MODEL_LICENSE."""

from mmsearch.retrieval.encoders.mini.encoder import MiniEncoder, mini_space

__all__ = ["MiniEncoder", "mini_space"]
