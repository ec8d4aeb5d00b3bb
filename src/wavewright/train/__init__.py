"""Training: the one loop, checkpoints and exact resumption, the log, the run folder, many processes."""
