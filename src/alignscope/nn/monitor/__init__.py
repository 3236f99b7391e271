"""What a training is losing while it runs."""
