"""The claims, one module per part of the paper; `alignscope.paper.table` puts them in one table.

To add one: in the module of its part, write a function that works it out and returns `Found`, put `check` with its key,
source and place above it, and list it in the module's `CHECKS`. It is then a row of the page, and of docs/paper.md.
"""
