"""What goes in: two modalities of the same samples, validated once, at the door."""
