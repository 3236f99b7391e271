"""Generators of data with known truth, and readers of published data sets."""
