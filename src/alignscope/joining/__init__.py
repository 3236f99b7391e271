"""Tables of samples joined by their ids, never by their order."""
