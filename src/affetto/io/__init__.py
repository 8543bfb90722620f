"""Where Affetto talks to disks, clusters and processes: the cache, whole files, paths, workers."""
