"""Actions in time: segments, subtitles, timelines."""
