"""Serving: the page, the API, their limits and listeners' thumbs."""
