"""Decoded clips: a folder with one file per clip, named by its content, that batches are copied from."""
