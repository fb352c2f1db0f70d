"""Functions composed in Python from native ones, one family a file; imported on first use."""
