"""The claims, one module for each part of the paper; `alignscope.paper.table` puts them in one table."""
