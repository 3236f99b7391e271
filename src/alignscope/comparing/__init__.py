"""One representation before and after: what was lost and won, of which kind, for which classes, groups and samples."""
