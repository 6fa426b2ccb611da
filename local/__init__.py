"""One machine without containers: the services, and a provider that runs functions as processes."""
