"""Readers of every format: an object with a shape that reads any run of rows."""
