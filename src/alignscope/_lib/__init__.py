"""What all packages use: types, threads, files, TOML, checks, locks, workers, progress. Imports none of them."""
