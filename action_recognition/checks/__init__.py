"""Trusting a data set: findings about clips, near duplicates, leakage, and a report."""
