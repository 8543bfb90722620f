"""Tests of the voice models on degraded copies of their test clips."""
