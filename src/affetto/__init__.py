"""Affetto listens to a voice and answers with music that fits."""

__version__ = "0.1.0"
