"""Tables of LanceDB in a bucket, on a server that speaks S3."""

from __future__ import annotations

import pytest

from mmsearch import Collection
from mmsearch.exchange import export_vectors, import_vectors


@pytest.fixture
def bucket(monkeypatch):
    """A new bucket of a server in this process."""
    server_module = pytest.importorskip("moto.server", reason="needs moto[server] (extra `dev`)")
    boto3 = pytest.importorskip("boto3", reason="needs boto3, which moto brings")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in (("ACCESS_KEY_ID", "me"), ("SECRET_ACCESS_KEY", "secret"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT", address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    client.create_bucket(Bucket="vectors")
    yield "s3://vectors"
    server.stop()


def test_rows_go_into_a_bucket_once_and_come_back(shop, bucket, tmp_path):
    pytest.importorskip("lancedb", reason="needs lancedb (extra `lance`)")
    assert export_vectors(shop, "lance", f"{bucket}/db").verified == 60
    assert export_vectors(shop, "lance", f"{bucket}/db").written == 0
    with Collection.create(tmp_path / "copy.mms", model=None) as copy:
        assert import_vectors(copy, f"{bucket}/db/shop.lance").added == 60
        assert copy.space == shop.space
