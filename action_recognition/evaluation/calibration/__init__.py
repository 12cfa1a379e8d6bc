"""Temperature and threshold: fitted on validation clips, and judged on others."""
