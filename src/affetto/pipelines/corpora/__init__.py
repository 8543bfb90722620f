"""Source folders to clips, rejected clips, folds and features."""
