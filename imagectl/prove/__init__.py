"""`imagectl prove`: the guarantees, tried on a running deployment from outside."""
