"""Clips to feature stores."""
