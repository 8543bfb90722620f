"""Recommendation: voice recordings in, playlists out, on trained models."""
