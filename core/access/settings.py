"""Settings of a server for more than one person: who may enter, what is recorded, how much and how long it is kept.

They stand in the TOML file that PHENOPOLICY_SETTINGS names, and in variables such as PHENOPOLICY_SIGN_IN__ISSUER, which
win. Without any, the app serves one user of this machine. They are read when the server starts.
"""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from core.base.config import Config, explain
from core.base.errors import ConfigError

PREFIX = "PHENOPOLICY_"
FILE = f"{PREFIX}SETTINGS"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SHORTEST_SECRET = 32  # characters of the key that signs cookies

Names = tuple[str, ...]


class SignIn(Config):
    """An OpenID Connect provider, and who of those it knows may enter.

    An entry of a list is an address ("ann@clinic.example"), a domain ("@clinic.example"), "group:NAME" of the group
    claim, or "sub:SUBJECT". The highest role counts; whoever is on no list stays outside.
    """

    issuer: str
    client_id: str = Field(min_length=1)
    client_secret_file: Path
    cookie_secret_file: Path  # at least 32 random characters, which sign the cookie of who has signed in
    address: str  # of the app, as browsers reach it: "https://phenopolicy.clinic.example"
    viewers: Names = ()
    researchers: Names = ()
    admins: Names = ()
    scopes: str = "openid email profile"  # what the provider is asked to tell
    group_claim: str = "groups"
    role_claim: str = ""  # a claim that says viewer, researcher or admin itself; empty: none does
    trust_unverified_email: bool = False  # for providers that do not tell whether they have checked an address
    hours: float = Field(12, gt=0, le=720)  # after these one signs in again

    @field_validator("issuer", "address")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        """Plain HTTP is for this machine alone: tokens and cookies would else travel in the open."""
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError("write an address that begins with https:// (http:// only for this machine)")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> SignIn:
        if not (self.viewers or self.researchers or self.admins or self.role_claim):
            raise ValueError("nobody may enter; fill viewers, researchers or admins, or name a role_claim")
        return self

    @property
    def provider(self) -> dict[str, Any]:
        """What Streamlit's sign-in asks for, as its `auth` secrets; `ConfigError` where a secret cannot be read."""
        cookie = _secret(self.cookie_secret_file)
        if len(cookie) < SHORTEST_SECRET:
            raise ConfigError(
                f"{self.cookie_secret_file} holds {len(cookie)} characters; at least {SHORTEST_SECRET} are needed."
            )
        return {
            "redirect_uri": f"{self.address}/oauth2callback",
            "cookie_secret": cookie,
            "client_id": self.client_id,
            "client_secret": _secret(self.client_secret_file),
            "server_metadata_url": f"{self.issuer}/.well-known/openid-configuration",
            "client_kwargs": {"scope": self.scopes},
        }


class Audit(Config):
    """How the audit names patients, when it begins a new file, and when old files go."""

    patients: Literal["hashed", "plain", "none"] = "hashed"  # hashed: by a key that lies beside the audit
    megabytes: float = Field(10, gt=0)  # of one file
    days: float = Field(0, ge=0)  # a file whose last line is older is deleted; 0: never


class Quota(Config):
    """How much each person may keep; 0: no bound."""

    megabytes: float = Field(0, ge=0)  # of uploads and runs together
    runs: int = Field(0, ge=0)


class Retention(Config):
    """After how many days what visitors made is deleted; 0: never."""

    uploads: float = Field(0, ge=0)
    runs: float = Field(0, ge=0)
    verdicts: float = Field(0, ge=0)
    links: float = Field(0, ge=0)


class ServerSettings(BaseSettings):
    """Everything adjustable in a server; each group is described in its class."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", allow_inf_nan=False
    )

    sign_in: SignIn | None = None
    open_without_sign_in: bool = False  # True: whoever reaches the server may use it, from other machines too
    audit: Audit = Audit()
    quota: Quota = Quota()
    retention: Retention = Retention()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file."""
        file = TomlConfigSettingsSource(settings_cls, os.environ.get(FILE) or None)
        return init_settings, env_settings, file


def server_settings() -> ServerSettings:
    """The settings of this process, read once; `ConfigError` names the file or variable that is not usable."""
    return _read(tuple(sorted(item for item in os.environ.items() if item[0].startswith(PREFIX))))


@lru_cache(maxsize=4)
def _read(_variables: tuple[tuple[str, str], ...]) -> ServerSettings:
    named = os.environ.get(FILE)
    if named and not Path(named).is_file():
        raise ConfigError(f"{FILE} names {named}, which is no file; correct its path.")
    try:
        return ServerSettings()
    except ValidationError as error:
        raise ConfigError(explain(error, named or f"{PREFIX}* variables", ServerSettings)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{named} is not valid TOML ({error}); correct it.") from None
    except ValueError as error:  # a variable that should hold JSON
        raise ConfigError(f"a {PREFIX}* variable cannot be read: {error}; lists are written as JSON.") from None


def refuse_to_bind(address: str | None, settings: ServerSettings) -> None:
    """Raise `ConfigError` for a server without sign-in that other machines could reach."""
    if settings.sign_in is None and not settings.open_without_sign_in and not is_loopback(address or ""):
        raise ConfigError(
            f"server.address = {address or 'every address'} lets other machines in, and there is no sign-in. Set one "
            f"up (see docs/deploy.md), listen on 127.0.0.1, or set {PREFIX}OPEN_WITHOUT_SIGN_IN=true where whoever "
            "reaches this server may see all that is shared on it."
        )


def is_loopback(host: str) -> bool:
    """True for this machine alone; a Unix socket is a path, which only a proxy of this machine reaches."""
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _secret(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the secret file {path} cannot be read ({error}); correct its path or its rights.") from None
    if not text:
        raise ConfigError(f"the secret file {path} is empty; write the secret into it.")
    return text
