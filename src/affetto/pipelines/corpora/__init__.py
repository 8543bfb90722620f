"""Source folders to clips, rejected clips and folds."""
