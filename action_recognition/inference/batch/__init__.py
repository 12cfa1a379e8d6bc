"""Many inputs: worker processes, result files that grow, the report on the terminal."""
