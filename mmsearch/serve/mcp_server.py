"""The tools for agents over the Model Context Protocol. Importing this takes seconds: only those who serve it do."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field, ValidationError
from starlette.routing import BaseRoute, Route

from mmsearch import Collection, MMSearchError, __version__
from mmsearch.serve import mcp_answers as answers
from mmsearch.serve.api_errors import ApiError
from mmsearch.serve.guards import Access
from mmsearch.serve.mcp_tools import MOST_AROUND, MOST_HITS, MOST_PICTURES, Pictured, Tools
from mmsearch.serve.served import SlowWork

A = TypeVar("A", bound=BaseModel)

_READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

_INSTRUCTIONS = """\
Searches the user's own pictures, films, sounds and texts by what they show, sound like or say. All tools only read. \
Start with search; then look at the hits as one numbered picture before you say what they show; moment gives a frame \
of a film, read the text around a hit. describe_collection tells what there is."""

_SEARCH = """\
Find files by their content. Write what a picture would show, a sound would sound like or a text would say, in a few \
plain words: "a red boat on a beach", "two children blowing out candles", "rain on a roof". Dates, kinds of files, \
places and "without" are understood in the words, and applied.reading says how; the arguments after, before, kinds, \
place and folder are surer, and go first. "words in double quotes" must stand in the hit. The search knows no private \
persons. A short phrase works better than a list of keywords; if nothing good comes, ask again in other words.

Each hit has a level: strong (it is there with a probability of 90 % or more), likely (60 %), weak (25 %), nothing \
(less). The nearest k files always come back, even if nothing fits: read summary and good_match first, and tell the \
user plainly when there is no good match. A hit in a film is its best moment: span says when.

Go on with look (ids of hits → one numbered picture: do so before you describe pictures or choose among them), moment \
(a frame of a film), read (the text around a passage), or search with like=[ids] for more of the same kind."""

_LOOK = f"""\
Look at files by the ids of their rows: several become one contact sheet, each picture with its number, its id and its \
name above it; one alone comes large. Of films the frame in the middle of the hit's span is shown. Up to \
{MOST_PICTURES} at once; up to 9 are large enough to see details."""

_MOMENT = """\
The frame that a film shows at a time, as a picture. Take the id from a hit, and the time from its span, or another \
one: some frames a few seconds apart tell what happens."""

_READ = """\
The text around a row, in order: the passages of a document before and after it, or the subtitles of a film around a \
moment. The hits of search have only the beginning of the passage that was found."""

_DESCRIBE = """\
What can be searched: the collections by name, how many files of each kind and year, the folders, \
and the models. Names of folders, also of those inside them, can be given to search."""

CollectionName = Annotated[str | None, Field(description="a collection's name; default the first one")]
Ids = Annotated[list[int], Field(description="ids of hits")]
Id = Annotated[int, Field(description="the id of a hit")]
Kinds = Annotated[list[str] | str | None, Field(description="of pictures, films, sounds, texts; default all")]
Folder = Annotated[
    str | None, Field(description='only files in this folder: its name, such as "Holiday" or "2023/Holiday", or path')
]
After = Annotated[str | None, Field(description="made on or after this date: 2023, 2023-05 or 2023-05-17")]
Before = Annotated[str | None, Field(description="made before this date")]
Place = Annotated[str | None, Field(description="made in this town, region or country: Lisbon, Bavaria, Portugal")]
Camera = Annotated[str | None, Field(description="made with this camera: iPhone, Canon EOS 80D")]
SortBy = Annotated[str | None, Field(description="relevance (default), newest or oldest; by date, good hits alone")]
Level = Annotated[str | None, Field(description="the least level: strong, likely or weak; default all hits")]


def make_mcp(collections: Mapping[str, Collection], work: SlowWork) -> MCPServer[Any]:
    """A server of the tools over collections.

    Args:
        collections: by name; the first one answers where none is named.
        work: the threads that the tools run in.
    """
    with _logging_as_it_was():
        server = _PlainServer(
            "mmsearch", title="mmsearch", version=__version__, instructions=_INSTRUCTIONS, log_level="CRITICAL"
        )
    tools = Tools(collections)

    async def done(call: Callable[..., A | Pictured], *args: Any, **kwargs: Any) -> CallToolResult:
        try:
            found = await work.run(call, *args, **kwargs)
        except (MMSearchError, ApiError) as error:
            raise ToolError(str(error)) from None
        return _result(found.answer, found.jpeg) if isinstance(found, Pictured) else _result(found)

    @server.tool(title="Search files", description=_SEARCH, annotations=_READ_ONLY)
    async def search(
        query: Annotated[str | None, Field(description="what to look for, in words; may be left out with like")] = None,
        like: Annotated[list[int] | None, Field(description="ids of hits: find more like these")] = None,
        kinds: Kinds = None,
        folder: Folder = None,
        after: After = None,
        before: Before = None,
        place: Place = None,
        camera: Camera = None,
        sort: SortBy = None,
        level: Level = None,
        k: Annotated[int, Field(description=f"how many hits, at most {MOST_HITS}")] = 10,
        collection: CollectionName = None,
    ) -> Annotated[CallToolResult, answers.SearchAnswer]:
        return await done(
            tools.search,
            query,
            like=like or (),
            kinds=[kinds] if isinstance(kinds, str) else kinds or (),
            folder=folder,
            after=after,
            before=before,
            place=place,
            camera=camera,
            sort=sort,
            level=level,
            k=k,
            collection=collection,
        )

    @server.tool(title="Look at files", description=_LOOK, annotations=_READ_ONLY)
    async def look(ids: Ids, collection: CollectionName = None) -> Annotated[CallToolResult, answers.LookAnswer]:
        return await done(tools.look, ids, collection=collection)

    @server.tool(title="A frame of a film", description=_MOMENT, annotations=_READ_ONLY)
    async def moment(
        id: Id,
        time: Annotated[str | float, Field(description="seconds, 1:23 or 1:02:03")],
        collection: CollectionName = None,
    ) -> Annotated[CallToolResult, answers.MomentAnswer]:
        return await done(tools.moment, id, time, collection=collection)

    @server.tool(title="Read around a hit", description=_READ, annotations=_READ_ONLY)
    async def read(
        id: Id,
        around: Annotated[int, Field(description=f"passages before and after, at most {MOST_AROUND}")] = 3,
        collection: CollectionName = None,
    ) -> Annotated[CallToolResult, answers.ReadAnswer]:
        return await done(tools.read, id, around=around, collection=collection)

    @server.tool(title="What there is", description=_DESCRIBE, annotations=_READ_ONLY)
    async def describe_collection(
        collection: Annotated[str | None, Field(description="only this collection")] = None,
    ) -> Annotated[CallToolResult, answers.DescribeAnswer]:
        return await done(tools.describe, collection=collection)

    return server


@dataclass(frozen=True, slots=True)
class MountedMCP:
    """The tools as a part of another ASGI app.

    Attributes:
        routes: one, of the address ``/mcp``.
        lifespan: what the app must be inside of while it serves.
    """

    routes: list[BaseRoute]
    lifespan: Callable[[], AbstractAsyncContextManager[None]]


def mcp_over_http(collections: Mapping[str, Collection], work: SlowWork, access: Access) -> MountedMCP:
    """The tools at ``/mcp``, over streamable HTTP. Nothing is kept between requests.

    Args:
        collections: by name.
        work: the threads that the tools run in.
        access: who may ask: what the guards in front of all routes let pass.
    """
    server = make_mcp(collections, work)
    app = server.streamable_http_app(stateless_http=True, json_response=True, transport_security=_security(access))

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    return MountedMCP([Route("/mcp", endpoint=app)], lifespan)


def _security(access: Access) -> TransportSecuritySettings:
    """The hosts and origins that the transport answers. It checks by names alone, so where any address or name may ask
    (with a token, or in an app that checks names itself) the guards are the only check."""
    if access.hosts is None or access.token is not None:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    hosts = [form for name in ("127.0.0.1", "localhost", "[::1]", *access.hosts) for form in (name, f"{name}:*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def run_stdio(collections: Mapping[str, Collection]) -> None:
    """Serve the tools to the program at the other end of standard input and output, until it closes them."""
    work = SlowWork(threads=4, waiting=64)
    try:
        make_mcp(collections, work).run("stdio")
    finally:
        work.close()


class _PlainServer(MCPServer[Any]):
    """A server whose tools refuse unknown arguments, and say in one line what is wrong."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        for tool in await self.list_tools():
            known = tool.input_schema["properties"]
            if tool.name == name and (unknown := [one for one in arguments if one not in known]):
                raise ToolError(f"{name} has no argument {unknown[0]!r}; there are: {', '.join(known)}")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            raise ToolError(_in_one_line(error)) from None


def _in_one_line(error: ToolError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        wrong = {".".join(str(part) for part in one["loc"][:1]): one["msg"] for one in cause.errors()}
        return "; ".join(f"{name}: {message}" for name, message in wrong.items())
    if isinstance(error, UnexpectedToolError) and cause is not None:
        return f"unexpected {type(cause).__name__}: {' '.join(str(cause).split())}"
    return str(cause if isinstance(cause, ToolError) else error)


def _result(answer: BaseModel, jpeg: bytes | None = None) -> CallToolResult:
    """An answer as text and as data, and its picture."""
    text = TextContent(type="text", text=answer.model_dump_json(exclude_none=True))
    pictures = [] if jpeg is None else [Image(data=jpeg, format="jpeg").to_image_content()]
    return CallToolResult(
        content=[text, *pictures], structured_content=answer.model_dump(mode="json", exclude_none=True)
    )


@contextlib.contextmanager
def _logging_as_it_was() -> Iterator[None]:
    """Undo what happens to the root logger inside: a server sets up logging for the whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
