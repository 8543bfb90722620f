"""Metrics, significance tests, tables and figures."""
