"""What is learned from several runs: the comparison of MLflow runs and the search for better settings."""
