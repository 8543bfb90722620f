"""Descriptors of clips and the store that keeps them."""
