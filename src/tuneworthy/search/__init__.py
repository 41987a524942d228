"""Searches over what a job leaves open: settings of its arms, and base models; test rows never among them."""
