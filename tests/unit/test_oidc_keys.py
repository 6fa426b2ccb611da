"""Which keys of an issuer are used, when it is asked for them, and how long they are good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oidc import keys
from oidc.issuer import NoKeys
from oidc.key_cache import ASK_EVERY_SECONDS, MOST_STALE_SECONDS, KeyCache
from oidc.keys import Key
from oidc.refusal import Unknown
from tests.issuer import SigningKey

FRESH_SECONDS = 600.0
SIGNING = {name: SigningKey(name, name) for name in ("RS256", "ES256", "EdDSA")}


def shown(name: str = "ES256", **others: Any) -> dict[str, Any]:
    told = {**SIGNING[name].shown, **others}
    return {key: value for key, value in told.items() if value is not None}


def read(*told: Any) -> dict[str, frozenset[str]]:
    return {key.kid: key.algorithms for key in keys.read({"keys": list(told)})}


def test_a_key_may_sign_what_its_kind_can() -> None:
    found = read(shown("RS256", alg=None), shown("ES256"), shown("EdDSA", alg=None))

    assert found == {"RS256": {"RS256", "PS256"}, "ES256": {"ES256"}, "EdDSA": {"EdDSA"}}


@pytest.mark.parametrize(
    "useless",
    [
        *(None, [], "key", {}, {"kty": ["RSA"]}, {"kty": "oct", "k": "c2VjcmV0", "kid": "x"}),
        *(
            {"kty": "EC", "crv": {}},
            shown(use="enc"),
            shown(key_ops=["sign"]),
            shown(key_ops="verify"),
        ),
        *(shown(kid=7), shown(kid="a\nb"), shown(x="!"), shown(x=7), shown(y=None)),
        *(
            shown(crv="P-384"),
            shown(x="A" * 43),
            shown("RS256", n="AQAB"),
            shown("RS256", n="_" * 1500),
        ),
        *(shown("RS256", e="_" * 200), shown("RS256", e="AA"), shown("RS256", e="Ag")),
        shown("EdDSA", crv="X25519"),
    ],
)
def test_what_is_no_key_of_use_is_passed_over(useless: Any) -> None:
    assert read(useless, shown("EdDSA")) == {"EdDSA": {"EdDSA"}}


def test_a_key_for_one_algorithm_takes_no_other() -> None:
    (key,) = keys.read({"keys": [shown("RS256", alg="PS256")]})
    (none,) = keys.read({"keys": [shown("RS256", alg="HS256")]})

    assert keys.choose((key,), "RS256", "PS256") is key
    assert keys.choose((key,), "RS256", "RS256") is None
    assert none.algorithms == frozenset()


def test_a_token_that_names_no_key_means_the_only_one() -> None:
    one = keys.read({"keys": [shown("ES256"), shown("EdDSA")]})
    two = keys.read({"keys": [shown("ES256"), shown("ES256", kid="second")]})

    assert keys.choose(one, None, "ES256") is one[0]
    assert keys.choose(two, None, "ES256") is None


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [{}] * 101}])
def test_what_is_no_set_of_keys_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="at most 100 keys"):
        keys.read(document)


class World:
    """A cache, a clock and an issuer."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.is_down = False
        self.served = keys.read({"keys": [shown("ES256")]})
        self.cache = KeyCache(self.fetch, FRESH_SECONDS, lambda: self.now)

    async def fetch(self) -> tuple[Key, ...]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise NoKeys("down")
        return self.served

    async def has(self, kid: str) -> bool:
        return await self.cache.find(kid, "ES256") is not None

    async def settle(self) -> None:
        """Let what was begun end."""
        for _ in range(5):
            await asyncio.sleep(0)


def test_many_at_once_ask_once() -> None:
    async def run() -> None:
        world = World()
        found = await asyncio.gather(*(world.has("ES256") for _ in range(50)))
        assert all(found)
        assert world.asked == 1

    asyncio.run(run())


def test_unknown_names_are_asked_for_now_and_then() -> None:
    async def run() -> None:
        world = World()
        found = []
        for number in range(600):
            found.append(await world.has(f"unknown-{number}"))
            world.now += 0.1
        assert not any(found)
        assert world.asked <= 60 / ASK_EVERY_SECONDS + 1

    asyncio.run(run())


def test_a_new_key_is_found_and_one_that_is_gone_is_not() -> None:
    async def run() -> None:
        world = World()
        assert await world.has("ES256")
        world.served = keys.read({"keys": [shown("ES256", kid="second")]})
        world.now += ASK_EVERY_SECONDS
        assert await world.has("second")
        assert not await world.has("ES256")

    asyncio.run(run())


def test_old_keys_are_asked_for_anew_by_whoever_uses_one_and_nobody_waits() -> None:
    async def run() -> None:
        world = World()
        await world.has("ES256")
        world.now += FRESH_SECONDS + 1
        world.served = ()
        assert await world.has("ES256")
        await world.settle()
        assert world.asked == 2
        assert not await world.has("ES256")

    asyncio.run(run())


def test_while_the_issuer_is_down_known_keys_go_on_for_a_day() -> None:
    async def run() -> None:
        world = World()
        await world.has("ES256")
        world.is_down = True
        world.now += MOST_STALE_SECONDS - 1
        assert await world.has("ES256")
        with pytest.raises(Unknown):
            await world.has("unknown")
        world.now += 2
        with pytest.raises(Unknown):
            await world.has("ES256")
        world.is_down = False
        world.now += ASK_EVERY_SECONDS
        assert await world.has("ES256")

    asyncio.run(run())


def test_a_caller_that_goes_away_takes_the_answer_from_no_other() -> None:
    async def run() -> None:
        world = World()
        first = asyncio.create_task(world.has("ES256"))
        second = asyncio.create_task(world.has("ES256"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second
        assert world.asked == 1

    asyncio.run(run())
