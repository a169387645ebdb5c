"""What one run does: train, evaluate, vote, or measure the metadata."""
