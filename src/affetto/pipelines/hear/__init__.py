"""Hearing: recordings of a voice in, their emotion over time out, on a trained model."""
