"""Shows the file of a row in the file manager of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from mmsearch import Collection
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.indexed_files import opened
from mmsearch.serve.served import served_of


async def reveal(request: Request) -> Response:
    """Open the folder of a row's file, or of its archive, where the person who asks sits at this machine."""
    collection = served_of(request).collection
    if not getattr(request.app.state, "local", False):
        raise ApiError(403, "files can be shown in their folders only on the machine of the server", "NotLocal")
    await to_thread.run_sync(_reveal, collection, int(request.path_params["id"]))
    return Response(status_code=204)


def _reveal(collection: Collection, row_id: int) -> None:
    with opened(collection, row_id) as file:
        path = file.record.path if file.content is None else file.record.source or ""
    if "://" in path:
        raise ApiError(404, f"{path} is in no folder of this machine", "NoFolder")
    path = os.path.abspath(path)
    command = command_to_show(path)
    program = shutil.which(command[0])
    if program is None:
        raise ApiError(501, f"no file manager can be started: {command[0]} is not installed", "NoFileManager")
    started = subprocess.Popen(
        [program, *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    threading.Thread(target=started.wait, daemon=True).start()  # it may run as long as the file manager is open


def command_to_show(path: str, platform: str = sys.platform) -> list[str]:
    """The command that shows a file in its folder; where there is none, the folder."""
    if platform == "darwin":
        return ["open", "-R", path]
    if platform == "win32":
        return ["explorer", "/select,", path]
    return ["xdg-open", os.path.dirname(path)]
