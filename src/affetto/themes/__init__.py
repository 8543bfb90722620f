"""Audio codebook, topics inside an emotion, theme cards."""
