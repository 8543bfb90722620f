"""Recommendation: what was heard in recordings in, playlists out, on trained models."""
