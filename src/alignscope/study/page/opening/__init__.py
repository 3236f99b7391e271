"""The first screen of a study: what to decide, its chart, and what to do."""
