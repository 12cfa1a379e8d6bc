"""Hydra groups: a folder for each group of the configuration, in it a file for each option."""
