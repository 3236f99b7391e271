"""Findings, charts and the page. Knows results, not how they were made."""
