"""Clips decoded once: a folder of files named by what is in them, one per clip, that batches are copied from."""
