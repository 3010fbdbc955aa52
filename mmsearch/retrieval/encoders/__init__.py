"""Encoders: arrays and texts → unit vectors. Importing this package loads no model and no library that runs one."""
