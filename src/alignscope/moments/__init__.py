"""Centred second moments of named blocks of columns, and the one pass over rows that collects them."""
