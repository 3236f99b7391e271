"""What goes in: the input contract, the readers, and generators with known truth."""
