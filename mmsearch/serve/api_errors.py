"""Errors of the HTTP interface: a status, and one clear line as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from mmsearch import (
    CollectionBusyError,
    CollectionDamagedError,
    DecodeError,
    MMSearchError,
    ModelUnavailableError,
    NoReaderError,
    NoSuchRowError,
    UsageError,
)


class ApiError(Exception):
    """An answer that is an error.

    Args:
        status: the HTTP status.
        message: what is wrong and what would be right.
        kind: a short name for programs, such as ``NoSuchRowError``.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, message: str, kind: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind or "Error"
        self.message = message.encode("utf-8", "backslashreplace").decode()  # lone surrogates are no text
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The error as JSON."""
        error = {"message": self.message, "kind": self.kind}
        return JSONResponse({"error": error}, self.status, headers=self.headers)


_STATUS: tuple[tuple[type[MMSearchError], int], ...] = (
    (NoSuchRowError, 404),
    (DecodeError, 422),
    (UsageError, 400),
    (ModelUnavailableError, 503),
    (CollectionBusyError, 503),
    (NoReaderError, 503),
    (CollectionDamagedError, 500),
)


def as_api_error(error: MMSearchError) -> ApiError:
    """An error of the library as one of the HTTP interface."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    return ApiError(status, str(error), type(error).__name__)


def busy() -> ApiError:
    """Too much is asked at once."""
    return ApiError(429, "too much is asked at once: ask again in a moment", "Busy", {"Retry-After": "1"})
