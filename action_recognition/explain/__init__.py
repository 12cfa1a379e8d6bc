"""Seeing inside a model: what its layers answer to one input, their weights, and what a prediction rests on."""
