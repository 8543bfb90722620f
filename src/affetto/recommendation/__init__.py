"""From the emotion of a voice to a playlist."""
