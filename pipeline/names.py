"""Names that several rooms know: the functions that learn who calls, and the tenants."""

from __future__ import annotations

# Each has a key, `NAME-key`, that the gateway signs its tokens with.
FUNCTIONS = ("image-upload", "image-classifier", "image-results")

# The file that an API key lies in, and the tenant it stands for. What `imagectl prove` sends stays
# apart from everybody's data.
TENANTS = {"api-key": "default", "prove-api-key": "prove"}
