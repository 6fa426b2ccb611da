"""An account's rights as the policy that MinIO is given."""

from __future__ import annotations

from typing import Any

from pipeline.access.accounts import Account

# A listing is of a bucket, and asked for with a prefix.
_LIST = "list"
_ACTIONS = {
    "get": "s3:GetObject",
    "put": "s3:PutObject",
    _LIST: "s3:ListBucket",
    "inspect": "s3:GetBucketPolicy",
}


def policy(account: Account) -> dict[str, Any]:
    """Allow what the account may do; all else is refused."""
    statements = []
    rights = [_split(right) for right in account.minio]
    for verb, action in _ACTIONS.items():
        places = [place for each, place in rights if each == verb]
        whole = [place for place in places if verb != _LIST or "/" not in place]
        if whole:
            statements.append(_allow(action, whole))
        for bucket, prefix in (each.split("/", 1) for each in places if each not in whole):
            condition = {"StringLike": {"s3:prefix": [prefix]}}
            statements.append({**_allow(action, [bucket]), "Condition": condition})
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(action: str, places: list[str]) -> dict[str, Any]:
    resources = sorted(f"arn:aws:s3:::{place}" for place in places)
    return {"Effect": "Allow", "Action": [action], "Resource": resources}


def _split(right: str) -> tuple[str, str]:
    verb, _, place = right.partition(" ")
    if verb not in _ACTIONS:
        raise ValueError(f"{right!r}: expected one of {', '.join(_ACTIONS)}")
    return verb, place
