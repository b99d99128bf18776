"""A person at the app: whose runs are theirs, what their role lets them do, and how they are told from claims."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from core.access.settings import ServerSettings, SignIn
from core.base.errors import AccessError

HOUR = 3600  # seconds
LONGEST_NAME = 120


class Role(IntEnum):
    """Each may do what those before it may."""

    STRANGER = 0  # is known to the provider, and on no list
    VIEWER = 1  # sees shared runs
    RESEARCHER = 2  # uploads, trains, shares and deletes what is their own
    ADMIN = 3  # sees the audit, what everybody keeps, and deletes it

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Person:
    """Who acts. owner: the name under which files know them; until: when the sign-in ends (Unix time, None: never)."""

    owner: str
    role: Role
    name: str = ""
    until: float | None = None

    @property
    def expired(self) -> bool:
        return self.until is not None and time.time() >= self.until

    def may(self, role: Role) -> bool:
        return self.role >= role and not self.expired

    def require(self, role: Role, doing: str) -> None:
        """Raise `AccessError` where they may not; doing: "training a run"."""
        if self.expired:
            raise AccessError(f"{doing} needs a sign-in that has not ended; sign in again.")
        if self.role < role:
            raise AccessError(
                f"{doing} is for {role.word}s; you are a {self.role.word}. Ask whoever runs this server for that role."
            )


def local_person(owner: str, settings: ServerSettings) -> Person:
    """A visitor of a server without sign-in: its one user, or, where it is open to others, any of them."""
    return Person(owner, Role.RESEARCHER if settings.open_without_sign_in else Role.ADMIN)


def recognized(claims: Mapping[str, Any], settings: SignIn) -> Person | None:
    """The person whom a provider's checked claims describe; None where they are not this provider's, or not for us."""
    subject, audience = claims.get("sub"), claims.get("aud")
    meant_for_us = settings.client_id in (audience if isinstance(audience, list) else [audience])
    told_by_issuer = str(claims.get("iss")).rstrip("/") == settings.issuer
    if not isinstance(subject, str) or not subject or not told_by_issuer or not meant_for_us:
        return None
    name = str(claims.get("email") or claims.get("preferred_username") or claims.get("name") or subject)
    owner = owner_of_subject(settings.issuer, subject)
    return Person(owner, _role(claims, settings), name[:LONGEST_NAME], _until(claims, settings))


def has_unchecked_email(claims: Mapping[str, Any], settings: SignIn) -> bool:
    """True for one whose address no list is asked about: the provider does not say that it has checked it."""
    return isinstance(claims.get("email"), str) and not _email_counts(claims, settings)


def owner_of_subject(issuer: str, subject: str) -> str:
    """The owner of a person's files: the same at every sign-in; no visitor's key leads to it."""
    return hashlib.sha256(f"phenopolicy person {len(issuer)} {issuer} {subject}".encode()).hexdigest()[:32]


def _until(claims: Mapping[str, Any], settings: SignIn) -> float:
    """When the sign-in ends; one that does not say when it began has ended."""
    began = claims.get("iat")
    return float(began) + settings.hours * HOUR if isinstance(began, int | float) else 0.0


def _role(claims: Mapping[str, Any], settings: SignIn) -> Role:
    names = set(_names(claims, settings))
    lists = {Role.VIEWER: settings.viewers, Role.RESEARCHER: settings.researchers, Role.ADMIN: settings.admins}
    found = [role for role, entries in lists.items() if not names.isdisjoint(map(_entry, entries))]
    if settings.role_claim:
        told = {text.casefold() for text in _texts(claims.get(settings.role_claim))}
        found += [role for role in lists if role.word in told]
    return max(found, default=Role.STRANGER)


def _names(claims: Mapping[str, Any], settings: SignIn) -> Iterable[str]:
    """What a list may call this person by; an address counts where the provider has checked it."""
    yield f"sub:{claims['sub']}"
    yield from (f"group:{group}" for group in _texts(claims.get(settings.group_claim)))
    email = claims.get("email")
    if isinstance(email, str) and email.count("@") == 1 and _email_counts(claims, settings):
        yield email.casefold()
        yield f"@{email.partition('@')[2]}".casefold()


def _email_counts(claims: Mapping[str, Any], settings: SignIn) -> bool:
    return claims.get("email_verified") is True or settings.trust_unverified_email


def _entry(text: str) -> str:
    """An entry of a list: addresses and domains in small letters, subjects and groups as they are."""
    return text.strip() if text.strip().startswith(("sub:", "group:")) else text.strip().casefold()


def _texts(value: Any) -> list[str]:
    """A claim that holds one text or several."""
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
