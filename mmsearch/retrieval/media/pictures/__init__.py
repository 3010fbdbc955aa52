"""Pictures: bytes to upright 8-bit sRGB pixels, and to a model's input."""
