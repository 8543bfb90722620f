"""Feature extraction: clips to feature stores."""

from affetto.pipelines.features.pipeline import create_pipeline

__all__ = ["create_pipeline"]
