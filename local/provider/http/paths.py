"""Which request targets have one way to be read, and which function such a target names."""

from __future__ import annotations

import re

MAX_CHARACTERS = 8190

_HEX = "[0-9A-Fa-f]"
_TAIL = f"%[89ABab]{_HEX}"
# UTF-8, percent-encoded: no overlong forms, no surrogates, no control characters.
_ENCODED_TEXT = "|".join(
    [
        f"%[Cc]2%[ABab]{_HEX}",
        f"%[Cc][3-9A-Fa-f]{_TAIL}",
        f"%[Dd]{_HEX}{_TAIL}",
        f"%[Ee]0%[ABab]{_HEX}{_TAIL}",
        f"%[Ee][1-9A-CEFa-cef](?:{_TAIL}){{2}}",
        f"%[Ee][Dd]%[89]{_HEX}{_TAIL}",
        f"%[Ff]0%[9ABab]{_HEX}(?:{_TAIL}){{2}}",
        f"%[Ff][1-3](?:{_TAIL}){{3}}",
        f"%[Ff]4%8{_HEX}(?:{_TAIL}){{2}}",
    ]
)
# What has no meaning of its own in a path. Encoded letters, dots, slashes, backslashes, percent
# signs, question marks and semicolons are left out: they are other spellings, or other paths.
_ENCODED_SIGN = "%2[0-246-9A-Ca-c]|%3[ACDEacde]|%40|%5[Ee]|%60|%7[BCDbcd]"
_CHARACTER = rf"(?:[A-Za-z0-9._~!$&'()*+,=:@-]|{_ENCODED_SIGN}|{_ENCODED_TEXT})"
CANONICAL = re.compile(rf"(?=/)(?:/(?!\.{{1,2}}(?:[/?]|$)){_CHARACTER}+)*/?(?:\?[!-\x22$-~]*)?")
FUNCTION = re.compile(r"/function/([^/?.]+)(?:\.([^/?]+))?(/[^?]*)?(\?.*)?")

ALLOWED = (
    "a path with one way to read it: no dots, no empty segments, no ; # or \\, and nothing"
    " percent-encoded that need not be"
)


def is_canonical(target: str) -> bool:
    """Tell whether a request target, as it was sent, can be read in one way only."""
    return len(target) <= MAX_CHARACTERS and CANONICAL.fullmatch(target) is not None
