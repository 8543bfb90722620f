"""Inference: the emotion of voices, a library of music without labels, and playlists."""
