"""One cell of a study: the only modules of it that import torch."""
