"""Measurements of the whole: run them with `python -m benchmarks.<name>`."""
