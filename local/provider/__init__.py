"""An OpenFaaS provider that runs the replicas of functions as processes of this machine."""
