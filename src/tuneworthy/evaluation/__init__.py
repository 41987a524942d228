"""Intervals, paired tests, power. Sees predictions only."""
