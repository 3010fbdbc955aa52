"""What the files of the ``aws`` tool say of a profile: obstore reads the environment and the machine's role alone."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping

_CREDENTIALS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
_SETTINGS = {"region": "region", "endpoint_url": "endpoint"}


def profile_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings of the profile in ``AWS_PROFILE`` (or ``default``) that the environment does not give itself.

    Keys in the environment are preferred to those in files, but not to a profile that is named beside them.
    """
    profile = environment.get("AWS_PROFILE", "default")
    found: dict[str, str] = {}
    config = _section(environment.get("AWS_CONFIG_FILE", "~/.aws/config"), f"profile {profile}", profile)
    keys = _section(environment.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), profile)
    for name, setting in _SETTINGS.items():
        if name in config:
            found[setting] = config[name]
    if "AWS_REGION" in environment or "AWS_DEFAULT_REGION" in environment:
        found.pop("region", None)
    if "AWS_ACCESS_KEY_ID" not in environment or "AWS_PROFILE" in environment:
        source = keys if "aws_access_key_id" in keys else config
        found |= {setting: source[name] for name, setting in _CREDENTIALS.items() if name in source}
    return found


def _section(path: str, *names: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, ValueError, configparser.Error):
        return {}
    return next((dict(parser[name]) for name in names if name in parser), {})
