"""Sounds: any sound track as mono windows at an encoder's sample rate."""
