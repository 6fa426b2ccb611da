"""`imagectl doctor`: whether a configuration, and a running deployment, are as they must be."""
