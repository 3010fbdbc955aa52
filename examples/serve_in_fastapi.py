"""A FastAPI app with mmsearch in it: its own routes, and below /photos the page and the HTTP interface of mmsearch.

pip install fastapi "mmsearch[serve]"
python examples/serve_in_fastapi.py photos.mms [PORT]
"""

import contextlib
import sys

import uvicorn
from fastapi import FastAPI

from mmsearch import Collection
from mmsearch.serve import create_app


def make_app(folder: str) -> FastAPI:
    collection = Collection.open(folder)
    photos = create_app({"photos": collection})

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI):
        async with photos.router.lifespan_context(photos):  # FastAPI starts and ends only itself
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/photos", photos)

    @app.get("/found")
    def found(words: str) -> list[str]:
        """A route of the app's own, over the same collection."""
        return [hit.path for hit in collection.search(words, k=3, min_level="likely")]

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[1]), port=int(sys.argv[2]) if len(sys.argv) > 2 else 8000)
