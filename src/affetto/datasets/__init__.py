"""Kedro dataset classes: the only code that knows formats on disk."""
