"""Emotion models: cross-validation, scoring and the final fit."""
