"""A processor core's second-level cache: what is worked on at a time should stay in it."""

BYTES = 1 << 20  # of a Zen 4; Intel's server cores have as much or twice that
