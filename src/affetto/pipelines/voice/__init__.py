"""The voice side from raw audio to its models."""
