"""The fast part: encoding, the audit, the training loop, constrained scoring."""
