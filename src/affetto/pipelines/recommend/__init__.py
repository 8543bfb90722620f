"""Voice recordings to playlists."""
