"""Rasters sampled at points: the pixels of one or two rasters at places in a table, as a pair."""
