"""Cross-validation of emotion models, and probes of the models of its folds."""
