"""Names that several rooms know: functions that learn who calls, scopes, the keys of a start."""

from __future__ import annotations

# Each has a key, `NAME-key`, that the gateway signs its tokens with.
FUNCTIONS = ("image-upload", "image-classifier", "image-results")

# What an API key may allow: to send images and have them classified; to read states and results;
# everything of its tenant, functions of others and /async-function included.
UPLOAD, READ, ADMIN = SCOPES = ("upload", "read", "admin")

# The files whose API keys a stack comes with: the tenant and the scopes of each. What
# `imagectl prove` sends stays apart from everybody's data.
FIRST_KEYS = {"api-key": ("default", SCOPES), "prove-api-key": ("prove", (UPLOAD, READ))}
