"""One cell of a study: the only rooms of it that import torch."""
