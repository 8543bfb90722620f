"""Feature extraction: clips to feature stores."""
