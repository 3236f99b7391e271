"""The first run: an audit, the paper's linear theory, and a study that is small enough to converge."""
