"""A warm stack and what is measured on it: steps, the bare model, stubs, decoding."""
