"""What all rooms use: types, threads, files, TOML, checks, locks, workers, progress. Imports none of them."""
