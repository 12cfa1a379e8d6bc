"""A model that MLflow can serve: videos in, class probabilities out.

A server imports this package too; what packs models (`servable`) needs torch, a server does not.
"""
