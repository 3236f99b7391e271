"""The engine of study and bench: cells in files of their own, executors, interruption and resumption."""
