"""Servers over small collections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.serve import create_app


@pytest.fixture
def client(collection: Collection) -> Iterator[TestClient]:
    """A client of a server over `collection`, as a browser on this machine asks."""
    with TestClient(create_app([collection]), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture(scope="module")
def gallery_client(gallery: Collection) -> Iterator[TestClient]:
    """A client of a server over `gallery`, which no test changes."""
    with TestClient(create_app([gallery]), base_url="http://127.0.0.1:8765") as client:
        yield client
