"""Which units a job needs, what they cost, and running them."""
