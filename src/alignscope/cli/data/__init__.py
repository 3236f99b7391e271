"""``alignscope data``: one file per command."""
