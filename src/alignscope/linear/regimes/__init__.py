"""Which kind of information the modalities share: redundant, unique or synergistic, with intervals."""
