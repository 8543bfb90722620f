"""Affetto listens to a voice and answers with music that fits."""

import affetto.native_libraries  # noqa: F401  # loads openSMILE before anything can load TensorFlow

__version__ = "0.1.0"
