"""The kit of every page: shell, look, numbers in words, charts and their panels, tables, SVG and PDF."""
