"""Serves a function that is a program, as OpenFaaS' watchdogs do; see docs/faas-cli.md."""
