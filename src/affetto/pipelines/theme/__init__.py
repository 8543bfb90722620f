"""Audio words, topics and themes."""
