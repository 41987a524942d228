"""Search over what a job leaves open: base models."""
