"""Measurements of the running system; `python -m bench` makes RESULTS.md."""
