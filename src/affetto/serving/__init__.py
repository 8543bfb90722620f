"""The served model: an HTTP API on this machine, its uploads kept in bounds, and listeners' thumbs."""
