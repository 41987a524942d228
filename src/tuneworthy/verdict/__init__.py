"""Evidence in, verdict out: pure functions."""
