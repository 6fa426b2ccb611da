"""Nginx in front of everything: its configuration, and the program that fills it in."""
