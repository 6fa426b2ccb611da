"""The same tests on a Kubernetes of one node, with OpenFaaS itself, that a run starts."""
