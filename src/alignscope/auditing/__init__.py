"""The audit: what each modality predicts of each target, and what aligning them would cost, before training."""
