"""Affetto listens to a voice and answers with music that fits."""

import os

import affetto.io.native_libraries  # noqa: F401  # loads openSMILE before anything can load TensorFlow

# Arrow's own allocator keeps what was freed: reading a table of 100,000 clips then costs twice the memory.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

# TensorFlow would print into the middle of a run, here and in workers.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"
