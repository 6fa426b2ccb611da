"""OpenFaaS' API and the proxy to the functions, over HTTP."""
