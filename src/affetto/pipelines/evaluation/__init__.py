"""Comparison tables, tests, figures and the report."""
