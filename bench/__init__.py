"""Measurements of a whole stack; `python -m bench` runs them and writes down what they found."""
