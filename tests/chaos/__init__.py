"""Storms over a whole stack, and the proof that nothing accepted was lost."""

from tests import function_paths

# The oracle is the classifier's own engine.
function_paths.add()
