"""Serving: the page, the API and the MLflow model."""
