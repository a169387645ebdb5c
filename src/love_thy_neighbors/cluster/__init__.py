"""Runs blocks of work on this machine's cores or on a Ray cluster."""
