"""Asks a running server, and prints paths and levels. Python brings all that it needs.

mmsearch serve
python examples/http_client.py "a dog on a beach" [ADDRESS]
"""

import json
import sys
from urllib.request import Request, urlopen


def search(words: str, address: str = "http://127.0.0.1:8765") -> list[dict]:
    body = json.dumps({"terms": [words], "k": 10}).encode()
    with urlopen(Request(f"{address}/api/search", body, {"Content-Type": "application/json"})) as answer:
        return json.load(answer)["hits"]


if __name__ == "__main__":
    for hit in search(*sys.argv[1:]):
        print(hit["level"], hit["path"], sep="\t")
