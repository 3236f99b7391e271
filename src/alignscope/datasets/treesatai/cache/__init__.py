"""The archive read once into memory-mapped files, and batches of them."""
