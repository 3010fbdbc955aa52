"""The tools for agents, asked by the official client: in memory, as a process, and over HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from mcp import Client, StdioServerParameters
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mmsearch import Collection
from mmsearch.serve import create_app
from mmsearch.serve.guards import Access
from mmsearch.serve.mcp_server import make_mcp, mcp_over_http
from mmsearch.serve.served import SlowWork

FPS, SHOT_S = 5, 4
BOATS, BREAD = "Fishing boats lie in the harbour at low tide.", "A loaf of rye bread cools on the kitchen table."
PARAGRAPHS = [f"Paragraph {i} of the story speaks of {what}. " * 8 for i, what in enumerate(("snow", "gold", "tea"))]
CUES = [(0, BOATS), (5, BREAD)]  # when, and what is said
TOOLS = {"search", "look", "moment", "read", "describe_collection"}


@dataclass
class Reply:
    """What a tool answered."""

    text: str
    picture: Image.Image | None
    data: dict[str, Any] | None
    is_error: bool


@dataclass
class Agent:
    """Calls tools, each over a new connection."""

    server: Any
    mode: str = "auto"

    def call(self, tool: str, **arguments: Any) -> Reply:
        async def ask() -> Reply:
            async with Client(self.server, mode=self.mode) as client:
                answer = await client.call_tool(tool, arguments)
            text, *pictures = answer.content
            picture = Image.open(io.BytesIO(base64.b64decode(pictures[0].data))) if pictures else None
            return Reply(text.text, picture, answer.structured_content, answer.is_error)

        return asyncio.run(ask())

    def tools(self) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with Client(self.server, mode=self.mode) as client:
                return {tool.name: tool for tool in (await client.list_tools()).tools}

        return asyncio.run(ask())

    def found(self, **arguments: Any) -> list[dict[str, Any]]:
        """The hits of a search."""
        reply = self.call("search", **arguments)
        assert not reply.is_error, reply.text
        return reply.data["hits"]

    def error(self, tool: str, **arguments: Any) -> str:
        """The one line that a call fails with."""
        reply = self.call(tool, **arguments)
        assert reply.is_error, reply.text
        assert "\n" not in reply.text
        assert "Traceback" not in reply.text
        return reply.text


def fill(folder, films, drawn) -> None:
    """Two folders of pictures, a film with subtitles beside it, a story of some passages."""
    for name in ("animals", "shapes"):
        (folder / name).mkdir(parents=True)
    for name in ("disc.png", "square.jpg", "stripes.png"):
        drawn(name).save(folder / "shapes" / name)
    drawn("rings.jpg").save(folder / "animals" / "IMG_20190304_101500.jpg")
    shots = (films.numbered(number) for number in (0b111111, 0b101010) for _ in range(SHOT_S * FPS))
    (folder / "film.mp4").write_bytes(films.film(shots, fps=FPS))
    cues = [f"{i + 1}\n00:00:0{at},000 --> 00:00:0{at + 1},500\n{text}\n" for i, (at, text) in enumerate(CUES)]
    (folder / "film.en.srt").write_text("\n".join(cues))
    (folder / "story.txt").write_text("\n\n".join(PARAGRAPHS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, films, drawn):
    place = tmp_path_factory.mktemp("agent") / "files"
    fill(place, films, drawn)
    return place


@pytest.fixture(scope="module")
def collection(folder) -> Collection:
    made = Collection.create(folder.parent / "files.mms", model="mini")
    assert made.index([folder], workers=1).skipped == ()
    return made


@pytest.fixture(scope="module")
def work():
    threads = SlowWork(threads=2, waiting=2)
    yield threads
    threads.close()


@pytest.fixture(scope="module")
def agent(collection, work) -> Agent:
    return Agent(make_mcp({"files": collection}, work))


# --- the tools -------------------------------------------------------------------------------------------------


def test_every_tool_says_that_it_only_reads(agent):
    tools = agent.tools()
    assert set(tools) == TOOLS
    for tool in tools.values():
        assert tool.annotations.read_only_hint
        assert not tool.annotations.open_world_hint
        assert tool.output_schema["type"] == "object"
        assert all("description" in one for one in tool.input_schema["properties"].values())


def test_descriptions_tell_an_agent_how_to_ask_and_how_to_go_on(agent):
    search = agent.tools()["search"].description
    for word in ("strong", "likely", "weak", "good_match", "look", "read", "moment", "folder", "after"):
        assert word in search


def test_descriptions_of_all_tools_are_short_enough_to_be_read_at_every_start(agent):
    tools = agent.tools().values()
    shown = [(tool.name, tool.description, tool.input_schema) for tool in tools]  # what a model is shown
    assert len(json.dumps(shown)) < 8_000


def test_a_search_gives_short_hits_and_says_what_it_resolved_to(agent, folder):
    reply = agent.call("search", query="a red disc", kinds=["photos"], folder="shapes", after="2019", k=2)
    assert json.loads(reply.text) == reply.data
    assert reply.data["applied"] == {
        "query": "a red disc",
        "kinds": ["pictures"],
        "folder": str(folder / "shapes"),
        "after": "2019-01-01",
        "k": 2,
    }
    best = reply.data["hits"][0]
    assert set(best) - {"found_by"} == {"id", "path", "kind", "level"}
    assert (best["path"], best["kind"]) == (str(folder / "shapes" / "disc.png"), "picture")
    assert len(reply.data["hits"]) == 2


def test_filters_leave_out_what_they_say(agent):
    assert {hit["kind"] for hit in agent.found(query="boats", kinds="films")} == {"film"}
    (old,) = agent.found(query="rings", before="2020")
    assert old["path"].endswith("IMG_20190304_101500.jpg")
    assert old["taken"] == "2019-03-04"
    levels = {hit["level"] for hit in agent.found(query=BREAD, level="likely")}
    assert levels
    assert levels <= {"strong", "likely"}


def test_a_search_without_a_good_match_says_so(agent):
    reply = agent.call("search", query="a parliament of owls in tuxedos")
    assert reply.data["hits"]
    assert reply.data["good_match"] is False
    assert reply.data["summary"].startswith("no good match")
    assert "passes the filters" in agent.call("search", query="bread", before="1990").data["summary"]


def test_a_search_with_a_good_match_says_so(agent):
    reply = agent.call("search", query="rye bread on a table")
    assert reply.data["good_match"] is True
    assert "strong or likely" in reply.data["summary"]


def test_a_hit_in_a_film_says_when_and_by_what_it_was_found(agent, folder):
    hit = agent.found(query="rye bread on a table", kinds=["films"])[0]
    assert hit["path"] == str(folder / "film.mp4")
    assert hit["span"] == "00:00:05–00:00:06"
    assert hit["passage"] == BREAD
    assert "subtitle" in hit["found_by"]


def test_long_passages_are_cut_and_read_gives_them_whole(empty, work):
    words = "The harbour lies still in the morning. " * 20
    empty.add(empty.encode(["a harbour"]), paths=["notes"], modality="text", texts=[words])
    agent = Agent(make_mcp({"new": empty}, work))
    (hit,) = agent.found(query="a harbour")
    assert hit["passage"].endswith(" …")
    assert len(hit["passage"]) < 250
    (read,) = agent.call("read", id=hit["id"]).data["passages"]
    assert read["text"] == words


def test_more_like_a_hit(agent, folder):
    disc = next(hit for hit in agent.found(query="a red disc") if hit["path"].endswith("disc.png"))
    found = agent.found(like=[disc["id"]], kinds=["pictures"])
    assert [hit["path"] for hit in found].count(disc["path"]) == 0
    assert len(found) == 3


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "give query"),
        ({"query": "  "}, "give query"),
        ({"query": "x", "kinds": ["dogs"]}, "no kind 'dogs'; there are: pictures, films, sounds, texts"),
        ({"query": "x", "level": "good"}, "there are: strong, likely, weak, nothing"),
        ({"query": "x", "folder": "shape"}, "did you mean: "),
        ({"query": "x", "after": "yesterday"}, "'yesterday' is no date"),
        ({"query": "x", "collection": "mine"}, "no collection 'mine'; there are: files"),
        ({"query": "x", "k": 51}, "k is between 1 and 50, not 51"),
        ({"query": "x", "limit": 3}, "search has no argument 'limit'; there are: query, like, kinds"),
        ({"query": ["x"], "k": "many"}, "k: Input should be a valid integer"),
        ({"like": [9999]}, "no row 9999"),
    ],
)
def test_what_cannot_be_asked_is_one_line_with_the_way_out(agent, arguments, error):
    assert error in agent.error("search", **arguments)


def test_an_unexpected_error_is_one_line_too(work):
    agent = Agent(make_mcp({"broken": object()}, work))
    assert agent.error("search", query="x") == "unexpected AttributeError: 'object' object has no attribute 'reopen'"


def test_an_empty_collection_says_that_nothing_is_indexed(empty, work):
    reply = Agent(make_mcp({"new": empty}, work)).call("search", query="a dog")
    assert reply.data["summary"] == "nothing is indexed yet: the collection is empty"
    assert reply.data["hits"] == []


def test_look_shows_several_hits_as_one_numbered_picture(agent):
    hits = agent.found(query="a red disc", kinds=["pictures"])
    reply = agent.call("look", ids=[hit["id"] for hit in hits])
    assert reply.picture.format == "JPEG"
    assert reply.picture.width > 1500
    assert [(one["number"], one["id"]) for one in reply.data["shown"]] == list(enumerate((h["id"] for h in hits), 1))
    assert [one["path"] for one in reply.data["shown"]] == [hit["path"] for hit in hits]


def test_look_shows_one_hit_as_large_as_its_file(agent, folder):
    (disc,) = [hit for hit in agent.found(query="a red disc") if hit["path"].endswith("disc.png")]
    reply = agent.call("look", ids=[disc["id"]])
    with Image.open(disc["path"]) as original:
        assert reply.picture.size == original.size
        difference = np.asarray(reply.picture, float) - np.asarray(original.convert("RGB"), float)
    assert np.abs(difference).mean() < 5


def test_look_shows_a_film_at_the_moment_of_the_hit(agent, films):
    hit = agent.found(query="rye bread on a table", kinds=["films"])[0]  # a row of the subtitles beside the film
    reply = agent.call("look", ids=[hit["id"]])
    assert films.number_in(reply.picture) == 0b101010
    assert reply.data["shown"][0]["kind"] == "film"


def test_look_says_what_it_cannot_show(agent):
    story = next(hit for hit in agent.found(query="gold") if hit["kind"] == "text")
    reply = agent.call("look", ids=[story["id"]])
    assert reply.picture is None
    assert reply.data["shown"][0]["not_shown"] == "a text: read shows it"


def test_a_file_that_has_changed_is_not_shown(tmp_path, films, drawn, work):
    fill(tmp_path / "files", films, drawn)
    made = Collection.create(tmp_path / "changed.mms", model="mini")
    made.index([tmp_path / "files"], workers=1)
    ids = {os.path.basename(record.path): record.id for record in made}
    drawn("noise.png").save(tmp_path / "files" / "shapes" / "disc.png")
    (tmp_path / "files" / "shapes" / "square.jpg").unlink()
    agent = Agent(make_mcp({"changed": made}, work))
    shown = agent.call("look", ids=[ids["disc.png"], ids["square.jpg"], ids["stripes.png"]]).data["shown"]
    assert "changed" in shown[0]["not_shown"]
    assert "gone" in shown[1]["not_shown"] or "no file" in shown[1]["not_shown"]
    assert "not_shown" not in shown[2]
    hits = {os.path.basename(hit["path"]): hit.get("file") for hit in agent.found(query="a disc", kinds=["pictures"])}
    assert hits["disc.png"] == "the file has changed since it was indexed"
    assert hits["stripes.png"] is None


def test_moment_shows_the_frame_at_a_time(agent, films):
    hit = agent.found(query="boats", kinds=["films"])[0]
    for time_, number in (("0:01", 0b111111), (3.5, 0b111111), ("4.5", 0b101010), ("0:00:07", 0b101010)):
        reply = agent.call("moment", id=hit["id"], time=time_)
        assert films.number_in(reply.picture) == number
    assert reply.data == {
        "collection": "files",
        "id": hit["id"],
        "path": hit["path"],
        "time": "00:00:07",
        "time_s": 7.0,
        "duration": "00:00:08",
    }


def test_moment_says_why_there_is_no_frame(agent):
    film = agent.found(query="boats", kinds=["films"])[0]["id"]
    picture = agent.found(query="a red disc", kinds=["pictures"])[0]["id"]
    assert "the film ends at 00:00:08" in agent.error("moment", id=film, time="1:00")
    assert "no time in a film" in agent.error("moment", id=film, time="soon")
    assert "is a picture, no film" in agent.error("moment", id=picture, time=1)


def test_read_gives_the_passages_around_one_in_order(agent, folder):
    hits = agent.found(query="gold", kinds=["texts"])
    middle = next(hit for hit in hits if hit["passage"].startswith("Paragraph 1"))
    reply = agent.call("read", id=middle["id"], around=1)
    assert reply.data["path"] == str(folder / "story.txt")
    texts = [passage["text"] for passage in reply.data["passages"]]
    whole = " ".join("\n\n".join(PARAGRAPHS).split())
    places = [whole.index(" ".join(text.split())) for text in texts]
    assert places == sorted(places)
    (asked,) = [passage for passage in reply.data["passages"] if passage.get("asked")]
    assert asked["id"] == middle["id"]


def test_read_gives_the_subtitles_around_a_moment(agent, collection):
    frame = next(record for record in collection if record.modality == "video" and record.span)
    reply = agent.call("read", id=frame.id)
    assert [passage["text"] for passage in reply.data["passages"]] == [BOATS, BREAD]
    assert [passage["span"] for passage in reply.data["passages"]] == ["00:00:00–00:00:01", "00:00:05–00:00:06"]
    assert not reply.data["more_before"]


def test_read_says_what_has_no_text(agent):
    picture = agent.found(query="a red disc", kinds=["pictures"])[0]["id"]
    assert "is a picture without text" in agent.error("read", id=picture)


def test_describe_tells_kinds_years_and_folders(agent, folder):
    (facts,) = agent.call("describe_collection").data["collections"]
    assert facts["name"] == "files"
    assert facts["models"] == ["mini"]
    assert facts["files"] == {"pictures": 4, "films": 1, "texts": 2}
    assert facts["years"]["2019"] == 1
    folders = {one["path"]: one["files"] for one in facts["folders"]}
    assert folders == {str(folder): 3, str(folder / "animals"): 1, str(folder / "shapes"): 3}


def test_several_collections_are_asked_by_name(collection, gallery, work):
    agent = Agent(make_mcp({"files": collection, "gallery": gallery}, work))
    described = agent.call("describe_collection").data["collections"]
    assert [one["name"] for one in described] == ["files", "gallery"]
    (only,) = agent.call("describe_collection", collection="gallery").data["collections"]
    assert only["files"] == {"pictures": 8, "texts": 2}
    assert len(agent.found(query="a disc", kinds=["pictures"], collection="gallery")) == 8
    assert len(agent.found(query="a disc", kinds=["pictures"])) == 4


def test_a_commit_of_another_process_is_seen(empty, photos, work):
    agent = Agent(make_mcp({"new": empty}, work))
    assert agent.found(query="a disc") == []
    Collection.open(empty.root).index([photos], workers=1)
    assert len(agent.found(query="a disc")) == 10
    assert agent.found(query="a disc", folder="photos")


def test_too_much_at_once_is_said(collection):
    full = SlowWork(threads=1, waiting=-1)
    assert "ask again" in Agent(make_mcp({"files": collection}, full)).error("search", query="x")


def test_logging_of_the_process_stays_as_it_was(collection, work):
    root = logging.getLogger()
    before = list(root.handlers), root.level
    make_mcp({"files": collection}, work)
    assert (root.handlers, root.level) == before


# --- the ways to them ------------------------------------------------------------------------------------------


def mmsearch_mcp(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mmsearch", "mcp", *arguments]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agents_program_runs_the_command(mode, collection, gallery):
    command, *arguments = mmsearch_mcp("-c", str(collection.root), "-c", str(gallery.root))
    agent = Agent(StdioServerParameters(command=command, args=arguments, env=dict(os.environ)), mode)

    async def ask() -> tuple[set[str], Any, Any]:
        async with Client(agent.server, mode=mode) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            found = await client.call_tool("search", {"query": "a red disc", "kinds": ["pictures"], "k": 2})
            hits = found.structured_content["hits"]
            return tools, hits, await client.call_tool("look", {"ids": [hit["id"] for hit in hits]})

    tools, hits, sheet = asyncio.run(ask())
    assert tools == TOOLS
    assert hits[0]["path"].endswith("disc.png")
    assert [content.type for content in sheet.content] == ["text", "image"]


def test_the_command_ends_when_its_input_does(collection):
    done = subprocess.run(
        mmsearch_mcp("-c", str(collection.root)), input="", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_by_a_signal_though_its_input_is_open(collection, number):
    pipe = subprocess.PIPE
    with subprocess.Popen(mmsearch_mcp("-c", str(collection.root)), stdin=pipe, stdout=pipe, text=True) as process:
        hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        process.stdin.write(json.dumps(hello) + "\n")
        process.stdin.flush()
        process.stdout.readline()  # it is there
        process.send_signal(number)
        assert process.wait(timeout=10) == -number


def test_a_collection_that_is_not_there_is_one_line(tmp_path):
    done = subprocess.run(
        mmsearch_mcp("-c", str(tmp_path / "none.mms")), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("mmsearch: no collection at ")
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def address(collection, running):
    """Where the tools are served over HTTP."""
    with running(create_app({"files": collection}, mcp=True)) as server:
        yield f"{server}/mcp"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_tools_are_served_over_http(address, mode):
    agent = Agent(address, mode)
    assert set(agent.tools()) == TOOLS
    hits = agent.found(query="a red disc", kinds=["pictures"])
    assert agent.call("look", ids=[hit["id"] for hit in hits]).picture.width > 1500
    assert "no kind" in agent.error("search", query="x", kinds=["dogs"])


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def test_other_hosts_and_origins_are_refused_over_http(address):
    assert httpx.post(address, json=PING, headers=ACCEPT).status_code < 300
    assert httpx.post(address, json=PING, headers={**ACCEPT, "Host": "evil.example"}).status_code == 421
    assert httpx.post(address, json=PING, headers={**ACCEPT, "Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize(("header", "status"), [("Host", 421), ("Origin", 403)])
def test_the_transport_checks_hosts_and_origins_by_itself_too(collection, work, header, status):
    mounted = mcp_over_http({"files": collection}, work, Access())

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with mounted.lifespan():
            yield

    app = Starlette(routes=mounted.routes, lifespan=lifespan)
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        assert client.post("/mcp", json=PING, headers=ACCEPT).status_code < 300
        assert client.post("/mcp", json=PING, headers={**ACCEPT, header: "http://evil.example"}).status_code == status


def test_agents_show_the_token_of_a_server_that_is_open_to_others(collection):
    app = create_app({"files": collection}, mcp=True, token="secret", hosts=["photos.example"])
    with TestClient(app, base_url="http://photos.example") as client:
        assert client.post("/mcp", json=PING, headers=ACCEPT).status_code == 401
        shown = {**ACCEPT, "Authorization": "Bearer secret"}
        assert client.post("/mcp", json=PING, headers=shown).status_code < 300


def test_there_are_no_tools_unless_they_are_asked_for(collection):
    with TestClient(create_app({"files": collection}), base_url="http://127.0.0.1:8765") as client:
        assert client.post("/mcp", json=PING, headers=ACCEPT).status_code == 404


def test_dates_and_negations_in_the_words_are_read_and_said(agent):
    data = agent.call("search", query="a disc without stripes since 2020").data
    assert data["applied"]["reading"] == "a disc − stripes · since 2020"
    nothing = agent.call("search", query="a disc before 1990").data
    assert nothing["hits"] == []
    assert nothing["notices"] == ["nothing is left of what the line was read as (a disc · before 1990)"]


def test_filters_alone_list_the_newest_and_arguments_go_first(agent):
    data = agent.call("search", query="photos since 1990", sort="oldest", k=2).data
    assert data["applied"]["sort"] == "oldest"
    assert {hit["kind"] for hit in data["hits"]} == {"picture"}
    assert "good_match" not in data
