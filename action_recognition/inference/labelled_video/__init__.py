"""Videos with labels drawn in, and clips cut out of videos."""
