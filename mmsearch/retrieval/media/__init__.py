"""Bytes → arrays and facts: what a file is, its pixels or its words, decoded in worker processes.

Importing this package imports nothing else; take `sandbox.Decoder`, `text.passages` and
`transform.ImageTransform` from their own modules.
"""
