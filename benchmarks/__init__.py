"""Measurements of what alignscope promises. `python -m benchmarks` runs all of them, `python -m benchmarks NAME` some.

Times differ from machine to machine, so each claim is a ratio of two times from one run, taken in turn and
summarised by the median. Results are written to `benchmarks/results/` as JSON and Markdown.
"""
