"""A library of music without labels, described by what the theme pipeline has made."""
