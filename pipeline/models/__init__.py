"""A model as a bundle: its files, its manifest and its labels, in a folder and in MinIO."""
