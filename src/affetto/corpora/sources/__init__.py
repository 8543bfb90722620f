"""One module a source of clips."""
