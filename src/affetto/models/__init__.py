"""Emotion models, proposed and baseline, behind one estimator protocol."""
