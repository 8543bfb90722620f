"""From the emotion of a voice to a playlist: bridge, library, ranking and playlist."""
