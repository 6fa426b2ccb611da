"""How every client of Kafka is let in: by its account's login, taken up anew when it changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import confluent_kafka
from confluent_kafka import admin

from pipeline import trust
from pipeline.access.accounts import KAFKA, SETUP
from pipeline.access.login import Login, LoginFile
from pipeline.errors import SettingsError
from pipeline.kafka.recovery import while_broker_moves
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

PLAINTEXT = "PLAINTEXT"
_OVER_TLS = ("SSL", "SASL_SSL")
_PROTOCOLS = (PLAINTEXT, "SASL_PLAINTEXT", *_OVER_TLS)
# Set-up's login must work before there is anything in Kafka, so that it is not kept there.
_MECHANISM, _SETUP_MECHANISM = "SCRAM-SHA-256", "PLAIN"
# A broker that is back is found within a second: librdkafka looks as much as 10 s later, when who
# asked has given up.
_COMING_BACK: dict[str, Any] = {"reconnect.backoff.max.ms": 1000}


class Access:
    """Where the brokers are, and the login of this process there; None where none is needed.

    Over TLS chain, dates and name of a broker's certificate are always looked at.

    Raises:
        SettingsError: there is no such protocol, or no certificate in SERVICES_CA_FILE.
    """

    def __init__(self, settings: Settings) -> None:
        self.servers = settings.kafka_bootstrap_servers
        self.protocol = settings.kafka_security_protocol
        self.mechanism = _SETUP_MECHANISM if settings.account == SETUP else _MECHANISM
        if self.protocol not in _PROTOCOLS:
            allowed = ", ".join(_PROTOCOLS)
            raise SettingsError(f"KAFKA_SECURITY_PROTOCOL={self.protocol!r}: expected {allowed}")
        self.authority = ""
        if self.protocol in _OVER_TLS:
            trust.context(settings)  # says what is wrong with the file
            self.authority = settings.services_ca_file
        self.login: LoginFile | None = None
        if self.protocol.startswith("SASL"):
            self.login = settings.secrets.login(KAFKA)

    def for_librdkafka(self) -> dict[str, Any]:
        """Write it as librdkafka's properties."""
        found = {"bootstrap.servers": self.servers, "security.protocol": self.protocol}
        if self.authority:
            found["ssl.ca.location"] = self.authority
        if self.login is None:
            return found
        login = self.login.now()
        return {
            **found,
            "sasl.mechanism": self.mechanism,
            "sasl.username": login.name,
            "sasl.password": login.password,
        }

    def for_kafka_python(self) -> dict[str, Any]:
        """Write it as kafka-python's arguments."""
        found: dict[str, Any] = {
            "bootstrap_servers": self.servers.split(","),
            "security_protocol": self.protocol,
            **({"ssl_cafile": self.authority} if self.authority else {}),
        }
        if self.login is None:
            return found
        login = self.login.now()
        return {
            **found,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": login.name,
            "sasl_plain_password": login.password,
        }


def connection(settings: Settings) -> dict[str, Any]:
    """What any client of librdkafka needs to be let in."""
    return Access(settings).for_librdkafka()


class _Renewed:
    """A client that looks at its login's file in the calls that are made again and again."""

    def _remember(self, access: Access) -> None:
        self._file = access.login
        self._login: Login | None = access.login.now() if access.login else None

    def _renew(self) -> None:
        if self._file is None or (now := self._file.now()) is self._login:
            return
        # Connections that are open go on; the next ones are made by it.
        self.set_sasl_credentials(now.name, now.password)  # type: ignore[attr-defined]
        self._login = now
        logger.info("kafka login renewed", extra={"account": now.name})


class Producer(_Renewed, confluent_kafka.Producer):
    """A producer of this process' account; renewed in `poll`."""

    def __init__(self, settings: Settings, options: Mapping[str, Any]) -> None:
        access = Access(settings)
        super().__init__({**access.for_librdkafka(), **_COMING_BACK, **options}, logger=logger)
        self._remember(access)

    def poll(self, timeout: float = -1) -> int:
        self._renew()
        return super().poll(timeout)


class Consumer(_Renewed, confluent_kafka.Consumer):
    """A consumer of this process' account; renewed where it asks for something."""

    def __init__(self, settings: Settings, options: Mapping[str, Any]) -> None:
        access = Access(settings)
        super().__init__({**access.for_librdkafka(), **_COMING_BACK, **options}, logger=logger)
        self._remember(access)

    def poll(self, timeout: float = -1) -> confluent_kafka.Message | None:
        self._renew()
        return super().poll(timeout)

    def committed(
        self, partitions: list[confluent_kafka.TopicPartition], timeout: float = -1
    ) -> list[confluent_kafka.TopicPartition]:
        """Tell what was committed of partitions; waits for a coordinator that moves."""
        self._renew()
        ask = partial(super().committed, partitions)
        return while_broker_moves(ask, timeout) if timeout >= 0 else ask(timeout)

    def get_watermark_offsets(
        self,
        partition: confluent_kafka.TopicPartition,
        timeout: float = -1,
        cached: bool = False,
    ) -> tuple[int, int]:
        """Tell where a partition begins and ends; waits for a leader that moves."""
        self._renew()
        ask = partial(super().get_watermark_offsets, partition, cached=cached)
        return while_broker_moves(ask, timeout) if timeout >= 0 else ask(timeout)

    def offsets_for_times(self, *arguments: Any, **named: Any) -> Any:
        self._renew()
        return super().offsets_for_times(*arguments, **named)


class AdminClient(_Renewed, admin.AdminClient):
    """An administrator's client of this process' account; renewed where it asks for something."""

    def __init__(self, settings: Settings) -> None:
        access = Access(settings)
        super().__init__({**access.for_librdkafka(), **_COMING_BACK}, logger=logger)
        self._remember(access)

    def list_topics(self, *arguments: Any, **named: Any) -> admin.ClusterMetadata:
        self._renew()
        return super().list_topics(*arguments, **named)

    def describe_consumer_groups(self, *arguments: Any, **named: Any) -> Any:
        self._renew()
        return super().describe_consumer_groups(*arguments, **named)
