"""Data sets as WebDataset tars: written by `export-shards`, streamed by `data=shards`.

A folder of shards holds `index.json`, `manifest.csv` and one tar a part of a split (`train-000000.tar`). The index
knows where each clip lies, so lengths, order and the share of each rank are settled before anything is read.
"""
