"""What `predict` can be given: files, and everything else that frames come from."""
