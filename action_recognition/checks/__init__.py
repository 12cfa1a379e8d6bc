"""Whether a data set can be trusted: findings about clips, near duplicates, leakage, and a report."""
