"""Getting a data set: from mirrors or the hub onto the disk, and out of untrusted archives."""
