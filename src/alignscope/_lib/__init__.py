"""What everything else stands on: types, threads, files, TOML, locks, workers, progress. Knows no room above it."""
