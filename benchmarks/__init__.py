"""Measurements that may disappoint: each stands beside its named rival, with its spread and what made it."""
