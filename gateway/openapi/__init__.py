"""What may be called and what is answered, as OpenAPI 3.1 says it: made of what the code knows."""
