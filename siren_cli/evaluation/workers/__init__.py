"""Work on one clip, worker pool, and result cache."""
