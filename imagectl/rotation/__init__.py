"""How secrets are changed while everything works."""
