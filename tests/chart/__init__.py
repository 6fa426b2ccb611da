"""The Helm chart, as it renders: what Kubernetes would be told, without one."""
