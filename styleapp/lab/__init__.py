"""Measurements and experiments on the networks."""
