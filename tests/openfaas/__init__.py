"""One contract: the same calls to OpenFaaS' gateway and to our provider, and what differs."""

from __future__ import annotations

from tests import function_paths

# Our autoscaler is asked, too, also where pytest does not run it.
function_paths.add()
