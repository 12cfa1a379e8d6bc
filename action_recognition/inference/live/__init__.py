"""Cameras and streams: windows within a bounded time, and what is said about them."""
