"""Configuration of a process: defaults < file < environment < secret files, checked at start (OPS-14).

The file is TOML, named by PLANTOPS_CONFIG. Environment: PLANTOPS_<KEY>, for one process alone
PLANTOPS_<PROCESS>_<KEY>; a value too secret for the environment comes from the file that
PLANTOPS_..._<KEY>_FILE names. Unknown keys refuse the start.
"""

import importlib
import importlib.util
import json
import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from services.chassis import fault_points

PREFIX = "PLANTOPS_"
PROCESSES = ("maintenance", "materials", "procurement", "gateway")
NOT_OURS = frozenset(
    {
        "CONFIG", "DATA", "ENGINES", "NATS_IMAGE", "NATS_PORT", "POSTGRES_IMAGE", "POSTGRES_PORT", "POSTGRES_URL",
        "SERVICES", "TEST_PROFILE", "TOKEN_FILE",
    }
)  # fmt: skip
"""Keys that the engines, the tests and the command line read."""


class ConfigInvalid(Exception):
    """The configuration is wrong; each line names a key and the rule."""


class ProcessConfig(BaseModel):
    """What every process has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: Literal["development", "test", "production"] = "production"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    issuer: str = Field(min_length=1, description="iss of the tokens that are accepted")
    audience: str = Field(default="plantops", min_length=1)
    jwks: str = Field(min_length=1, description="file or https address of the issuer's public keys")
    metrics_listen: str = Field(
        default="", pattern=r"^$|^[^:]+:\d{1,5}$", description="where Prometheus reads; in production 0.0.0.0:9464"
    )
    otlp_endpoint: str = Field(
        default="", pattern=r"^$|^https?://", description="OTLP collector (gRPC) that traces are sent to; empty = off"
    )
    trace_ratio: float = Field(default=0.1, ge=0, le=1, description="share of the traces that are kept")
    fault: str = Field(default="", description="faults to happen at named points of a test process")

    @model_validator(mode="before")
    @classmethod
    def _measured_in_production(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("environment", "production") == "production":
            return {"metrics_listen": "0.0.0.0:9464", **values}
        return values

    @model_validator(mode="after")
    def _faults_in_tests_alone(self) -> Self:
        if self.fault:
            if self.environment != "test":
                raise ValueError("fault: only the environment test has faults on purpose")
            fault_points.parse(self.fault)
        return self

    @field_validator("listen", check_fields=False)
    @classmethod
    def _port(cls, value: str) -> str:
        if int(value.rpartition(":")[2]) > 65535:
            raise ValueError("a port is at most 65535")
        return value

    @classmethod
    def load(cls, process: str, environ: Mapping[str, str] | None = None, **given: Any) -> Self:
        """Read all sources; ConfigInvalid lists everything that is wrong."""
        known = {name for kind in (ServiceConfig, GatewayConfig) for name in kind.model_fields}
        foreign = frozenset(known - set(cls.model_fields))
        values = {**_sources(process, os.environ if environ is None else environ, foreign), **given}
        kind = cls._of(process)
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            raise ConfigInvalid("\n".join(_line(process, item, kind) for item in _faults(error))) from None

    @classmethod
    def _of(cls, process: str) -> type[Self]:
        """The configuration of a process."""
        return cls

    def describe(self) -> dict[str, object]:
        """Effective values, secrets hidden."""
        shown: dict[str, object] = {}
        for key, value in self:
            if isinstance(value, SecretStr):
                shown[key] = "(secret)" if value.get_secret_value() else ""
            else:
                shown[key] = _without_password(value) if key.endswith("_url") else value
        return shown


class ServiceConfig(ProcessConfig):
    """A service: its database under three roles, the broker, its address."""

    database_url: SecretStr = Field(description="app role")
    relay_url: SecretStr = Field(description="relay role, a direct connection")
    migrator_url: SecretStr = Field(default=SecretStr(""), description="used by the migration command only")
    nats_url: SecretStr
    nats_monitor_url: str = ""
    listen: str = Field(default="127.0.0.1:0", pattern=r"^[^:]+:\d{1,5}$")
    page_token_key: SecretStr = Field(min_length=1, description="key of page tokens, the same in all replicas")
    pool_size: int = Field(default=8, ge=2, le=200)
    default_deadline_seconds: float = Field(default=10, gt=0, le=60)
    drain_delay: float = Field(default=0, ge=0, le=30, description="seconds between SIGTERM and draining")
    max_message_bytes: int = Field(default=1 << 20, ge=1024)
    max_concurrent_calls: int = Field(default=64, ge=1, description="calls at a time; those beyond are refused")
    lanes: int = Field(
        default=2,
        ge=0,
        le=64,
        description="lanes of calls that are done together, at most half the pool; 0 = none; fewer spend less CPU, "
        "more keep who waits for a lock from others",
    )
    changes_at_once: int = Field(
        default=3,
        ge=1,
        le=64,
        description="units that change something at a time, lanes aside: a few keep the process and the database busy; "
        "more hold what they have locked for longer, fewer wait for a database that is far away",
    )
    reflection: bool = False
    administrators: list[str] = Field(default_factory=list, description="administrators before any grant")
    principals: dict[str, dict[str, list[str]]] = Field(
        default_factory=dict, description="other systems and services: site or '-' -> roles"
    )

    @classmethod
    def _of(cls, process: str) -> type[Self]:
        """With the keys that the service adds by a class `Options` of its own, in `model/options.py`."""
        module = f"services.{process}.model.options"
        found = importlib.util.find_spec(module) if process in PROCESSES else None
        kind: type[Self] = importlib.import_module(module).Options if found is not None else cls
        return kind if issubclass(kind, cls) else cls

    @field_validator("database_url", "relay_url", "migrator_url")
    @classmethod
    def _database(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if value.get_secret_value() or info.field_name != "migrator_url":
            _check_url(value, ("postgresql", "postgres"), "postgresql://user:password@host:5432/database")
        return value

    @field_validator("nats_url")
    @classmethod
    def _broker(cls, value: SecretStr) -> SecretStr:
        return _check_url(value, ("nats", "tls", "ws", "wss"), "nats://host:4222, several separated by commas")


class GatewayConfig(ProcessConfig):
    """The HTTP door: its address, the services behind it, its limits, the development issuer."""

    listen: str = Field(default="127.0.0.1:8080", pattern=r"^[^:]+:\d{1,5}$")
    maintenance: str = Field(
        default="127.0.0.1:50051", description="host:port, dns:///host:port for all replicas, or ip:port,ip:port"
    )
    materials: str = "127.0.0.1:50052"
    procurement: str = "127.0.0.1:50053"
    channels: int = Field(default=2, ge=1, le=16, description="connections to each replica of a service")
    max_calls: int = Field(default=32, ge=1, description="requests at a time for each service; more are refused")
    max_connections: int = Field(default=1000, ge=1, description="HTTP connections at a time")
    rates: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="kind of principal such as people -> calls a second, burst; empty = no limit"
    )
    dev_issuer_key: str = Field(default="", description="key file of the built-in issuer; empty = off")
    administrators: list[str] = Field(default_factory=list, description="administrators before any grant")
    principals: dict[str, dict[str, list[str]]] = Field(
        default_factory=dict, description="whom the built-in issuer knows beside people: site or '-' -> roles"
    )
    cors_origins: list[str] = Field(default_factory=list)
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    timeout_seconds: float = Field(default=10, gt=0, le=60)
    drain_delay: float = Field(
        default=0, ge=0, le=30, description="seconds between SIGTERM and the end of new connections"
    )
    linger: float = Field(
        default=5, ge=0, le=30, description="most seconds that open connections then have for one more request each"
    )

    @field_validator("rates")
    @classmethod
    def _above_zero(cls, given: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        if any(rate <= 0 or burst < 1 for rate, burst in given.values()):
            raise ValueError("a rate is above 0 and a burst at least 1")
        return given

    @model_validator(mode="after")
    def _no_issuer_in_production(self) -> Self:
        if self.environment == "production" and self.dev_issuer_key:
            raise ValueError("dev_issuer_key: the built-in issuer is for development, never for production")
        return self


def secret_of(process: str, key: str, environ: Mapping[str, str] | None = None) -> str:
    """One value of a service, for a command that needs nothing else of it; ConfigInvalid when there is none."""
    foreign = frozenset(set(GatewayConfig.model_fields) - set(ServiceConfig.model_fields))
    value = _sources(process, os.environ if environ is None else environ, foreign).get(key, "")
    if not value:
        raise ConfigInvalid(f"{process}: {key}: is missing: set {PREFIX}{process.upper()}_{key.upper()} or its _FILE")
    return str(value)


def _faults(error: ValidationError) -> list[Any]:
    return list(error.errors(include_input=False, include_url=False))


def _line(process: str, item: Mapping[str, Any], kind: type[ProcessConfig]) -> str:
    """One fault: process, key, what is wrong and, where it is not plain, what to do."""
    key = ".".join(map(str, item["loc"]))
    said = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        said = f"is missing: set {PREFIX}{process.upper()}_{key.upper()}, or {key} in the file"
    elif item["type"] == "extra_forbidden":
        near = get_close_matches(key, kind.model_fields, 1)
        said = f"is no key of {process}: " + (f"did you mean {near[0]}?" if near else "take it out")
    return ": ".join(part for part in (process, key, said) if part)


def _sources(process: str, environ: Mapping[str, str], foreign: frozenset[str]) -> dict[str, Any]:
    """Values of all sources; `foreign` keys are another process's and may stand among those for all."""
    values: dict[str, Any] = {}
    path = environ.get(PREFIX + "CONFIG", "")
    if path:
        try:
            content = tomllib.loads(Path(path).read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigInvalid(f"{PREFIX}CONFIG: {path}: {error}") from None
        values.update({key: item for key, item in content.items() if key not in PROCESSES and key not in foreign})
        own_section = content.get(process, {})
        if not isinstance(own_section, dict):
            raise ConfigInvalid(f"{PREFIX}CONFIG: {path}: {process} must be a section")
        values.update(own_section)
    plain = {key.removeprefix(PREFIX): value for key, value in environ.items() if key.startswith(PREFIX)}
    own = process.upper() + "_"
    others = tuple(name.upper() + "_" for name in PROCESSES if name != process)
    for special in (False, True):  # what names this process wins over what names all
        for key, value in sorted(plain.items()):
            if key in NOT_OURS or key.startswith(others) or key.startswith(own) != special:
                continue
            name = (key.removeprefix(own) if special else key).lower()
            if not special and name.removesuffix("_file") in foreign:
                continue
            if name.endswith("_file"):
                try:
                    values[name.removesuffix("_file")] = Path(value).read_text().strip()
                except (OSError, UnicodeDecodeError) as error:
                    raise ConfigInvalid(f"{PREFIX}{key}: {error}") from None
            else:
                values[name] = _typed(value)
    return values


def _check_url(value: SecretStr, schemes: tuple[str, ...], form: str) -> SecretStr:
    """The value, if every address in it can be read; the fault names the form and not the value, which is secret."""
    for part in value.get_secret_value().split(","):
        try:
            place = urlsplit(part.strip())
            good = (
                place.scheme.partition("+")[0] in schemes
                and bool(place.hostname or "host=" in place.query)
                and place.port != 0
            )
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"must have the form {form}")
    return value


def _typed(value: str) -> Any:
    if value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _without_password(value: object) -> object:
    if not isinstance(value, str) or "@" not in value:
        return value
    place = urlsplit(value)
    return place._replace(netloc=f"{place.username}:***@{place.hostname}:{place.port}").geturl()
