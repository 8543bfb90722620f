"""Decoding, resampling and rendering of audio."""
