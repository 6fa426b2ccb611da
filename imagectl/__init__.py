"""imagectl: the operator's command line, for a stack on one machine or on a cluster."""
