"""Data sets as WebDataset tars: written by `export-shards`, streamed by `data=shards`.

A folder of shards holds `index.json`, `manifest.csv` and tars, such as `train-000000.tar`. The index has the position
of each clip, so lengths, order and the share of each rank are known before anything is read.
"""
