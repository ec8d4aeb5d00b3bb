"""New sound frame by frame: the same job in another way."""
