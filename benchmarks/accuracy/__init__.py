"""Who is who, and which frame: how accurate the results are. `python -m benchmarks.accuracy` or `make accuracy`."""
