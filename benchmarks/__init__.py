"""What `make bench-*` runs: measurements as ratios of contenders that take turns in one run."""
