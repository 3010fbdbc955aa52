"""Buckets that deny, are missing, do not answer, or answer half: one clear line each, within a bounded time."""

from __future__ import annotations

import pytest

from mmsearch.errors import (
    MMSearchError,
    NoSuchBucketError,
    StorageDeniedError,
    StorageError,
    StorageUnreachableError,
)
from mmsearch.retrieval.storage import Storage, object_store, storage_of

pytest.importorskip("obstore", reason="needs obstore (extra `remote`)")
ADDRESS = "s3://bucket/folder/file"


@pytest.fixture
def keys(monkeypatch, s3_server):
    """An environment with keys and no server."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def hasty(monkeypatch):
    """Short waits, so that tests are."""
    monkeypatch.setattr(object_store, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(object_store, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(object_store, "RETRIES", 1)


def asks(storage: Storage, address: str):
    """Every call, by name."""
    return {
        "list": lambda: list(storage.list(address)),
        "stat": lambda: storage.stat(address),
        "read": lambda: storage.read(address),
        "range": lambda: storage.read(address, 3, 7),
        "open": lambda: storage.open(address).read(),
        "put": lambda: storage.put(address, b"x"),
        "put_if_absent": lambda: storage.put_if_absent(address, b"x"),
        "put_if_unchanged": lambda: storage.put_if_unchanged(address, b"x", '"e"'),
        "delete": lambda: storage.delete(address),
    }


def told(kind: type[StorageError], ask) -> str:
    with pytest.raises(MMSearchError) as error:
        ask()
    assert isinstance(error.value, kind), repr(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
    return str(error.value)


CALLS = list(asks(None, ""))  # type: ignore[arg-type]


@pytest.mark.parametrize("call", CALLS)
def test_a_bucket_that_denies(s3, call):
    s3.server.denies = lambda request: True
    address = f"{s3.address}/folder/file"
    text = told(StorageDeniedError, asks(storage_of(address), address)[call])
    assert text.startswith(address)
    assert "denies access" in text
    if call not in ("stat", "open"):  # a HEAD has no body
        assert "AccessDenied" in text


@pytest.mark.parametrize("call", [call for call in CALLS if call != "delete"])
def test_a_bucket_that_is_not_there(s3, call):
    address = "s3://no-such-bucket/folder/file"
    text = told(NoSuchBucketError, asks(storage_of(address), address)[call])
    assert text == f"{address}: there is no bucket no-such-bucket"


@pytest.mark.parametrize("call", CALLS)
def test_nobody_listens(keys, hasty, monkeypatch, call):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    text = told(StorageUnreachableError, asks(storage_of(ADDRESS), ADDRESS)[call])
    assert text == f"{ADDRESS}: the store cannot be reached, no connection"


def test_a_host_that_is_unknown(keys, hasty, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://no-such-host.invalid")
    told(StorageUnreachableError, asks(storage_of(ADDRESS), ADDRESS)["stat"])


@pytest.mark.parametrize("call", ["list", "read", "put_if_absent"])
def test_a_server_that_never_answers(keys, hasty, monkeypatch, buckets, call):
    with buckets.raw_server(None) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        text = told(StorageUnreachableError, asks(storage_of(ADDRESS), ADDRESS)[call])
    assert text == f"{ADDRESS}: the store does not answer in time"


@pytest.mark.parametrize("call", ["read", "range", "open"])
def test_an_answer_that_is_cut_short(keys, hasty, monkeypatch, buckets, call):
    first, length = (3, 4) if call == "range" else (0, 1000)
    part = f"206 Partial Content\r\nContent-Range: bytes {first}-{first + length - 1}/1000"
    status = "200 OK" if call == "read" else part
    reply = (
        f'HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: "e"\r\n'
        "Last-Modified: Wed, 21 Oct 2026 07:28:00 GMT\r\nConnection: close\r\n\r\nabc"
    )
    with buckets.raw_server(reply.encode()) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        told(StorageUnreachableError, asks(storage_of(ADDRESS), ADDRESS)[call])


def test_a_server_that_speaks_something_else(keys, hasty, monkeypatch, buckets):
    with buckets.raw_server(b"220 mail.example.org ESMTP\r\n") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        for ask in asks(storage_of(ADDRESS), ADDRESS).values():
            told(StorageError, ask)


def test_credentials_that_are_missing(keys, hasty, monkeypatch, s3_server, buckets):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with buckets.raw_server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as nothing:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", nothing)  # a machine without a role
        text = told(StorageDeniedError, asks(storage_of(ADDRESS), ADDRESS)["stat"])
    assert text.startswith(f"no credentials for {ADDRESS}: set AWS_ACCESS_KEY_ID")


def test_a_profile_gives_credentials_and_the_endpoint(s3, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(f"[profile mine]\nregion = eu-west-1\nendpoint_url = {s3.server.endpoint}\n")
    (tmp_path / "keys").write_text("[mine]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    storage = storage_of(s3.address)
    assert storage.put(f"{s3.address}/a", b"x").size == 1
    assert storage.read(f"{s3.address}/a") == b"x"


def test_azure_without_an_account_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    text = told(StorageDeniedError, lambda: storage_of("az://container/file"))
    assert "AZURE_STORAGE_ACCOUNT_NAME" in text
