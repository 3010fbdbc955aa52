"""The answers of the tools for agents, as types: what an agent reads, and the schemas that its program checks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Fields that are None are left out of what is sent."""

    model_config = ConfigDict(frozen=True)

    collection: str = Field(description="the collection that answered")


class Applied(BaseModel):
    """What was asked, with every name resolved."""

    query: str | None = None
    like: list[int] | None = None
    kinds: list[str]
    folder: str | None = None
    after: str | None = None
    before: str | None = None
    place: str | None = None
    camera: str | None = None
    sort: str | None = None
    reading: str | None = Field(None, description="what the words of query were understood as, where it is more")
    level: str | None = None
    k: int


class FoundHit(BaseModel):
    """One result."""

    id: int = Field(description="for look, moment and read")
    path: str
    kind: str = Field(description="picture, film, sound or text")
    level: str | None = Field(None, description="strong, likely, weak or nothing")
    score: float | None = Field(None, description="cosine, where the level is not known")
    span: str | None = Field(None, description="the moment of a film or sound, or the page or row of a document")
    passage: str | None = Field(None, description="the text that was found; read gives more")
    found_by: list[str] | None = Field(None, description="of films: frame, sound, subtitle")
    taken: str | None = Field(None, description="when it was made")
    place: str | None = Field(None, description="where it was made")
    copies: int | None = Field(None, description="other files of the same content")
    file: str | None = Field(None, description="set if the file is gone or has changed since it was indexed")


class SearchAnswer(Answer):
    """Results, the best first."""

    applied: Applied
    good_match: bool | None = Field(None, description="whether the best hit is likely what was asked for")
    summary: str
    hits: list[FoundHit]
    notices: list[str] | None = None


class ShownFile(BaseModel):
    """One picture of a contact sheet."""

    number: int = Field(description="the number above the picture")
    id: int
    path: str
    kind: str
    span: str | None = None
    taken: str | None = None
    width: int | None = Field(None, description="of the file, in pixels")
    height: int | None = None
    duration: str | None = None
    note: str | None = None
    not_shown: str | None = Field(None, description="why there is no picture")


class LookAnswer(Answer):
    """What is on the picture that comes with it."""

    shown: list[ShownFile]


class MomentAnswer(Answer):
    """The frame that comes with it."""

    id: int
    path: str
    time: str
    time_s: float
    duration: str | None = None


class ReadPassage(BaseModel):
    """A passage of a text, of subtitles, or a page or row."""

    id: int
    span: str | None = None
    text: str
    asked: bool | None = Field(None, description="true for the passage that was asked for")


class ReadAnswer(Answer):
    """Passages of one file, in order."""

    id: int
    path: str
    passages: list[ReadPassage]
    more_before: bool
    more_after: bool


class FolderFacts(BaseModel):
    """A folder that was indexed or lies in one that was, and the number of files in it."""

    path: str
    files: int


class CollectionFacts(BaseModel):
    """What a collection holds."""

    name: str
    files: dict[str, int] = Field(description="files by kind")
    models: list[str]
    years: dict[str, int] | None = Field(None, description="files by the year when they were made")
    folders: list[FolderFacts]
    more_folders: int | None = None
    skipped: int | None = Field(None, description="files that could not be indexed")


class DescribeAnswer(BaseModel):
    """The collections that can be asked; the first one answers where none is named."""

    collections: list[CollectionFacts]
