"""Studies over several runs: the comparison of MLflow runs and the search for better settings."""
