"""The work on one clip, its processes, and the cache of results."""
