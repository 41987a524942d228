"""Searches over settings: plans of units over inner rows, the test rows never among them."""
