"""Reports of the comparisons."""
