"""Who one is at an object store: what a profile says, and what a refusal means.

The store's library itself looks at the environment's keys, a web identity's token, a container's
and a machine's role. What stands in `~/.aws` it does not read, and this does.
"""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path
from typing import Any

from assay.errors import StorageError
from assay.urls import hidden

_KEYS = {
    "aws_access_key_id": "access_key_id", "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token", "region": "region", "endpoint_url": "endpoint",
}  # fmt: skip
_ROLES = ("sso_session", "sso_start_url", "role_arn", "credential_process", "login_session")
"""What a profile has instead of keys; only Amazon's own library follows it."""
_OF_THE_MACHINE = re.compile(r"/latest/(api/token|meta-data)|169\.254\.|metadata\.google\.internal")
_HINTS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for ~/.aws",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or call `gcloud auth application-default login`",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or a SAS token in "
    "AZURE_STORAGE_SAS_KEY",
}
_REFUSALS = {
    "ExpiredToken": "The credentials have expired.",
    "TokenRefreshRequired": "The credentials have expired.",
    "InvalidToken": "The store does not know this session token.",
    "InvalidAccessKeyId": "The store does not know this access key.",
    "SignatureDoesNotMatch": "The secret key does not fit the access key.",
}


def from_home() -> dict[str, Any]:
    """Keys, region and endpoint of a profile in `~/.aws`, where the environment has no keys.

    Returns:
        Settings of the store; `profile` is one without keys, whose credentials `provider_of` finds.

    Raises:
        StorageError: a file cannot be read, or AWS_PROFILE names a profile that is in none.
    """
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    named = os.environ.get("AWS_PROFILE")
    profile = named or "default"
    home = Path("~/.aws").expanduser()
    files = {
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials")): profile,
        os.environ.get("AWS_CONFIG_FILE", str(home / "config")): (
            profile if profile == "default" else f"profile {profile}"
        ),
    }
    found: dict[str, Any] = {}
    known: set[str] = set()
    said: dict[str, str] = {}
    for file, section in files.items():
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(file, encoding="utf-8")
        except configparser.Error:
            raise StorageError("This file of AWS settings cannot be read.", where=file) from None
        known |= {one.removeprefix("profile ") for one in parser.sections()}
        if parser.has_section(section):
            said |= dict(parser[section])
    if named and named not in known:
        raise StorageError(
            f"AWS_PROFILE names the profile {named!r}, which is in no file of AWS settings.",
            where=", ".join(files),
            allowed=sorted(known) or None,
        )
    found = {_KEYS[key]: value for key, value in said.items() if key in _KEYS}
    if "access_key_id" not in found and any(key in said for key in _ROLES):
        found["profile"] = profile
    return found


def provider_of(profile: str) -> Any:
    """What gives the credentials of a profile without keys: SSO, a role, a program.

    Raises:
        StorageError: Amazon's library is not installed, or finds none.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise StorageError(
            "This profile has no keys, and to follow its role, SSO or program needs Amazon's own "
            "library.",
            where=f"AWS_PROFILE {profile}",
            hint='pip install boto3, or put keys into the environment: `eval "$(aws configure '
            f'export-credentials --profile {profile} --format env)"`',
        ) from None
    try:
        provider = Boto3CredentialProvider(boto3.Session(profile_name=profile))
        provider()
    except (BotoCoreError, ClientError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise StorageError(
            f"This profile gives no credentials: {hidden(first).rstrip('.')[:300]}.",
            where=f"AWS_PROFILE {profile}",
            hint=f"`aws sso login --profile {profile}` if it signs in by SSO; else look at its "
            "role or program in ~/.aws/config",
        ) from None
    return provider


def refused(text: str, said: str, where: str, *, denied: bool) -> tuple[str, str] | None:
    """What a store means that lets nobody in, and what to try; None where it means something else.

    Args:
        text: what its library says.
        said: the code in it.
        where: the store's address.
        denied: whether the library takes it for a refusal.

    >>> refused("<Code>ExpiredToken</Code>", "ExpiredToken", "s3://shop", denied=False)[0]
    'The credentials have expired.'
    """
    scheme = where[:2] if where[:2] in _HINTS else "az"
    if said == "RequestTimeTooSkewed":
        return "The clock of this machine is wrong, so the store trusts no request.", "set it"
    if said in _REFUSALS:
        return _REFUSALS[said], f"get others: {_HINTS[scheme]}"
    if _OF_THE_MACHINE.search(text):
        return "No credentials were found, and this machine has no role of its own.", _HINTS[scheme]
    if (
        denied
        or said[:3] in ("401", "403")
        or said == "AccessDenied"
        or "credential" in text[:400].lower()
    ):
        return (
            f"The store lets nobody in without the right credentials ({said}).",
            f"{_HINTS[scheme]}; if they are right, they may not do this here",
        )
    return None
