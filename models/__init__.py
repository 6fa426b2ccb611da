"""Models: how any model folder becomes a bundle, and the demonstration model."""
