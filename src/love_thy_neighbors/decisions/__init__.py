"""What people decided about suggested labels: read, written where other programs read it, and taken back."""
