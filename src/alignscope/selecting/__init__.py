"""Which of several embeddings of the same samples are needed: each alone, every two, and one after the other."""
