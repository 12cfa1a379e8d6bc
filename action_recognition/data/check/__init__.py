"""Trusting a data set: findings about clips, near duplicates, leakage, and a report."""

from action_recognition.data.check.command import check_data

__all__ = ["check_data"]
