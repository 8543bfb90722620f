"""Pre-trained encoders: which there are, where their weights come from, and what they compute."""
