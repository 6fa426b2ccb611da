"""What strangers may try, and what is then seen to hold."""

from tests import function_paths

# What is fuzzed, and what encodes a picture, is the functions' own.
function_paths.add()
