"""How alike representations are: every layer of an encoder against every other, or against those of another."""
