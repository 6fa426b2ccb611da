"""How variables are put into stack.yml: as drone/envsubst does it, which faas-cli uses.

A default must not be empty, and an empty value counts as none. Its functions that cut and replace
are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SUBSTITUTION = re.compile(
    r"""(?P<escape>\$\$|\\[/\\])
      | \$\{ (?P<name>\w+) (?: (?:=|:[-=?+]) (?P<default>[^{}]+) )? \}
      | (?P<bad>\$\{[^}]*\}?)""",
    re.VERBOSE,
)


def substitute(text: str, env: Mapping[str, str]) -> str:
    """Replace `${NAME}` and `${NAME:-default}`; `$$` is a dollar sign.

    Raises:
        ValueError: faas-cli would not understand one; the text names its line.
    """

    def replace(match: re.Match[str]) -> str:
        if match["escape"]:
            return match["escape"][1]
        if match["bad"]:
            line = text.count("\n", 0, match.start()) + 1
            raise ValueError(
                f"line {line}: bad substitution {match['bad']}; faas-cli takes ${{NAME}} and"
                " ${NAME:-default} with a default that is not empty"
            )
        return env.get(match["name"]) or match["default"] or ""

    return _SUBSTITUTION.sub(replace, text)
