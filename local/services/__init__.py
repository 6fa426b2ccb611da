"""The services of one machine without containers: fetch or build, start, watch, stop."""
