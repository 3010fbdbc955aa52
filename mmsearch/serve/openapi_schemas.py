"""The parts of the OpenAPI document: what is sent and what is answered, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
MODALITY: Schema = {"enum": ["image", "text", "audio", "video"]}
SORT: Schema = {"enum": ["relevance", "newest", "oldest"]}
LEVEL: Schema = {"enum": ["strong", "likely", "weak", "nothing"]}


def described(schema: Schema, description: str) -> Schema:
    """The schema with a description."""
    return {**schema, "description": description}


def or_null(schema: Schema, description: str = "") -> Schema:
    """A schema that null fits, too."""
    either: Schema = {"anyOf": [schema, {"type": "null"}]}
    return described(either, description) if description else either


def list_of(schema: Schema, description: str = "") -> Schema:
    """A list of what fits a schema."""
    listed: Schema = {"type": "array", "items": schema}
    return described(listed, description) if description else listed


def counts(description: str) -> Schema:
    """Numbers by name."""
    return {"type": "object", "additionalProperties": WHOLE, "description": description}


def ref(name: str) -> Schema:
    """A schema of `SCHEMAS` by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def fields(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object whose members are all required, but for the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


_PARTS = {
    "partial": described({"const": True}, "readers that hold parts of the collection did not answer"),
    "missing_parts": {"type": "object", "additionalProperties": TEXT, "description": "by part, such as 3/8: why"},
}
_PATH = {
    "path": described(TEXT, "of the file; bytes that are not UTF-8 are shown as \\xNN"),
    "path_b64": described({**TEXT, "contentEncoding": "base64"}, "the exact bytes, only where they are not UTF-8"),
}
_PLACE = {
    **_PATH,
    "modality": MODALITY,
    "id": described(WHOLE, "of the row, unique in the collection and never used again"),
    "span": or_null(ref("Span"), "the part of the file that the row is; null for all of it"),
    "text": or_null(TEXT, "the passage, of texts and subtitles"),
}
_FACTS = {
    "state": described(
        {"enum": ["current", "changed", "gone", "none"]}, "whether the file still is what was indexed; none: no file"
    ),
    "width": or_null(WHOLE, "in pixels"),
    "height": or_null(WHOLE, "in pixels"),
    "duration_s": or_null(NUMBER, "in seconds"),
    "taken_at": or_null(TEXT, "when it was made, by the clock on the wall there"),
    "taken_from": or_null(TEXT, "where that was found: exif, name, …"),
    "camera": or_null(TEXT, "maker and model of the camera or phone"),
    "lat": or_null(NUMBER, "latitude of where it was made, in degrees"),
    "lon": or_null(NUMBER, "longitude"),
    "place": or_null(TEXT, "the nearest town"),
    "country": or_null(TEXT, "the country"),
    "title": or_null(TEXT, "the title that the file has inside"),
    "tags": list_of(TEXT, "words that the file is tagged with inside"),
    "lang": or_null(TEXT, "code of the language of the text"),
    "boxes": list_of(list_of(NUMBER), "of text read in a picture: left, top, right, bottom of each line, as fractions"),
    "note": or_null(TEXT, "set where only a part of the file was used"),
    "facts": {"type": "object", "description": "values in columns of the user's own"},
    "source": described(TEXT, "the archive or bucket that the file was read from"),
}
_RARE = ("path_b64", "facts", "boxes", "source")
_RECORD = {**_PLACE, **_FACTS}
_HIT = {
    "rank": described(WHOLE, "from 1"),
    "score": described(NUMBER, "cosine"),
    "match": described(NUMBER, "logarithm of the odds that this is what was asked for"),
    "level": or_null(LEVEL, "how probable it is that what was asked for is there; null: not known"),
    **_PLACE,
    "evidence": list_of(
        TEXT, "what speaks for the hit: look, text, frame, sound, subtitle, ocr, speech, caption, name"
    ),
    "matched": list_of(ref("MatchedWords"), "words of the query that stand in the hit to the letter"),
    **_FACTS,
    "copies": list_of(fields(_PATH, optional=("path_b64",)), "other files of the same content, and copies"),
}
_WEIGHT = {"weight": {"type": "number", "exclusiveMinimum": 0, "default": 1}}
_SEARCH = {
    "c": described(TEXT, "the collection; default the first"),
    "line": described(TEXT, "words as a person writes them: dates, places, kinds and negations are read out of them"),
    "literal": described(FLAG, "take the line as it is"),
    "terms": list_of(ref("Term"), "what is looked for: their weighted mean, with the words of the line"),
    "minus": list_of(ref("Term"), "what it is pushed away from"),
    "like": list_of(WHOLE, "rows that it is moved towards"),
    "unlike": list_of(WHOLE, "rows that are not wanted"),
    "phrases": list_of(TEXT, "words that must stand in a hit to the letter, one after another"),
    "mode": {
        "enum": ["hybrid", "semantic", "lexical"],
        "default": "hybrid",
        "description": "by vectors, words or both",
    },
    "to": list_of(MODALITY, "what may answer; default all"),
    "under": described(TEXT, "only files in this folder"),
    "after": described(TEXT, "only what was made, or else changed, from this date on: 2023, 2023-05 or 2023-05-17"),
    "before": described(TEXT, "only what was made before this date"),
    "where": described(TEXT, "only rows that fulfil a condition, such as: width > 1000"),
    "near": described(TEXT, "only what was made near a position: 38.7,-9.1 or 38.7,-9.1,10km"),
    "place": described(TEXT, "only what was made in this town, region or country"),
    "camera": described(TEXT, "only what was made with a camera whose name has all these words"),
    "sort": described(SORT, "by how well hits fit, or by date: of the best 200, the good ones"),
    "min_level": described(LEVEL, "leave out hits of a lower level"),
    "k": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
    "cursor": described(TEXT, "that of the page before, for the next one"),
    "all_spans": described(FLAG, "make each moment of a film or sound a hit, not only the best"),
    "include_self": described(FLAG, "let what is searched by answer, too"),
    "exact": described(FLAG, "compare every row, though there may be an index"),
    "copies": described(FLAG, "let each copy of a file be a hit"),
    "in": described(WHOLE, "only the file of this row"),
}
_PAGE = {
    "collection": TEXT,
    "generation": described(WHOLE, "the number of the manifest that was read"),
    "cursor": or_null(TEXT, "asks for the next page; null: there is none"),
}
_PICTURE_PART = fields(
    {
        "type": {"const": "image_url"},
        "image_url": {"anyOf": [fields({"url": ref("DataUrl")}), ref("DataUrl")]},
    },
    optional=("type",),
)
_TEXT_PART = fields({"type": {"const": "text"}, "text": TEXT}, optional=("type",))
_INPUT = {"anyOf": [TEXT, _PICTURE_PART, _TEXT_PART]}

SCHEMAS: dict[str, Schema] = {
    "Error": fields({"error": fields({"message": described(TEXT, "one line"), "kind": TEXT})}),
    "OpenAIError": fields(
        {
            "error": fields(
                {"message": TEXT, "type": TEXT, "param": {"type": "null"}, "code": or_null(TEXT), "kind": TEXT}
            )
        }
    ),
    "Span": {
        "description": "from where to where in a file: seconds, characters, rows of a table, or pages, counted from 0",
        "anyOf": [
            fields({"start_s": NUMBER, "end_s": NUMBER}),
            *(fields({f"start_{unit}": WHOLE, f"end_{unit}": WHOLE}) for unit in ("char", "row", "page")),
        ],
    },
    "MatchedWords": fields(
        {
            "where": {"enum": ["text", "name", "title", "tags"]},
            "start": described(WHOLE, "in characters of the text, path, title, or tags joined by a comma and a space"),
            "end": described(WHOLE, "exclusive"),
        }
    ),
    "Record": fields(_RECORD, optional=_RARE),
    "Item": fields(
        {
            **_RECORD,
            "name": described(TEXT, "of the file, without its folder"),
            "size_bytes": WHOLE,
            "openable": described(FLAG, "whether /media, /thumb and the others hand the file out"),
            "why_not": or_null(TEXT),
        },
        optional=(*_RARE, "size_bytes"),
    ),
    "Hit": fields(_HIT, optional=_RARE),
    "Term": {
        "description": "a text, a stored row, an uploaded file, or a vector",
        "anyOf": [
            TEXT,
            fields({"text": TEXT, **_WEIGHT}, optional=("weight",)),
            fields({"id": WHOLE, **_WEIGHT}, optional=("weight",)),
            fields({"file": described(TEXT, "the field of the file"), **_WEIGHT}, optional=("weight",)),
            fields(
                {
                    "vector": described(TEXT, "float16 numbers, little endian, in base64"),
                    "space": TEXT,
                    "modality": or_null(MODALITY),
                    "name": TEXT,
                    **_WEIGHT,
                },
                optional=("space", "modality", "name", "weight"),
            ),
        ],
    },
    "Search": fields(_SEARCH, optional=tuple(_SEARCH), additionalProperties=False),
    "Answer": fields(
        {
            "query": list_of(TEXT, "the terms, as a person would write them"),
            "space": TEXT,
            "took_ms": {"type": "object", "additionalProperties": NUMBER, "description": "by stage"},
            "level": or_null(LEVEL, "of the best hit"),
            "notices": list_of(TEXT, "remarks on how the query was read"),
            "hits": list_of(ref("Hit")),
            **_PAGE,
            "asked": described(ref("Search"), "the request in a form that can be asked again: files became vectors"),
            "reading": ref("Reading"),
            **_PARTS,
        },
        optional=("reading", *_PARTS),
    ),
    "Reading": fields(
        {
            "words": described(TEXT, "what is looked for; empty if the line has filters alone"),
            "minus": list_of(TEXT),
            "phrases": list_of(TEXT, "words that must stand to the letter"),
            "to": list_of(MODALITY),
            **dict.fromkeys(("after", "before", "near", "place", "camera"), TEXT),
            "shown": described(TEXT, "the reading for people"),
            "parts": list_of(
                fields({"kind": TEXT, "text": described(TEXT, "as it stands in the line"), "shown": TEXT}),
                "the parts of the line that are more than words",
            ),
        },
        optional=("minus", "phrases", "to", "after", "before", "near", "place", "camera"),
        description="what the line was understood as, where that is more than words",
    ),
    "Items": fields({**_PAGE, "total": described(WHOLE, "files in all"), "items": list_of(ref("Record"))}),
    "Passages": fields(
        {"passages": list_of(fields({"id": WHOLE, "span": or_null(ref("Span")), "text": TEXT}), "in order")}
    ),
    "Facets": fields(
        {
            "kinds": counts("files by modality"),
            "years": counts("files by the year when they were made"),
            "folders": list_of(fields({"path": TEXT, "name": TEXT, "files": WHOLE})),
            "cameras": counts("files by the column camera"),
            "places": counts("files by the town where they were made"),
        }
    ),
    "Collection": fields(
        {
            "name": TEXT,
            "path": TEXT,
            "generation": WHOLE,
            "models": list_of(TEXT),
            "rows": WHOLE,
            "files": WHOLE,
            "kinds": {
                "type": "object",
                "additionalProperties": fields({"rows": WHOLE, "files": WHOLE}),
                "description": "by modality",
            },
            "roots": list_of(
                fields({**_PATH, "files": WHOLE, "rows": WHOLE, "there": FLAG}, optional=("path_b64",)),
                "indexed folders, and whether they are there now",
            ),
            "indexes": list_of(
                fields(
                    {
                        "space": TEXT,
                        "modality": MODALITY,
                        "index": TEXT,
                        "segments": WHOLE,
                        "recall": {"type": "object", "additionalProperties": NUMBER},
                    }
                )
            ),
            "skipped": described(WHOLE, "files that could not be indexed"),
        }
    ),
    "Status": fields(
        {
            "version": TEXT,
            "local": described(FLAG, "the server can show files in the file manager of the client's machine"),
            "collections": list_of(ref("Collection")),
        }
    ),
    "Health": fields(
        {
            "status": described({"enum": ["ok", "partial", "failed"]}, "partial: readers answer for some parts alone"),
            "reason": TEXT,
            "missing_parts": _PARTS["missing_parts"],
        },
        optional=("reason", "missing_parts"),
    ),
    "DataUrl": {"type": "string", "pattern": "^data:image/[^,]*;base64,"},
    "EmbeddingsRequest": fields(
        {
            "model": described(TEXT, "one of /api/status"),
            "input": {"anyOf": [_INPUT, {"type": "array", "items": _INPUT, "minItems": 1, "maxItems": 256}]},
            "messages": list_of(
                fields({"role": TEXT, "content": {"anyOf": [TEXT, list_of(_INPUT)]}}, optional=("role",)),
                "in place of input: one text or one picture, as vLLM is asked",
            ),
            "modality": described(
                {"enum": ["text", "image"]}, "what the strings of input are; image: data URLs, as Infinity is asked"
            ),
            "encoding_format": {"enum": ["float", "base64"], "default": "float"},
            "dimensions": described(WHOLE, "the length that the model's vectors have"),
            "user": TEXT,
        },
        optional=("input", "messages", "modality", "encoding_format", "dimensions", "user"),
        additionalProperties=False,
    ),
    "Embeddings": fields(
        {
            "object": {"const": "list"},
            "data": list_of(
                fields(
                    {
                        "object": {"const": "embedding"},
                        "index": WHOLE,
                        "embedding": {"anyOf": [list_of(NUMBER), described(TEXT, "float32, little endian, in base64")]},
                    }
                )
            ),
            "model": TEXT,
            "usage": fields({"prompt_tokens": WHOLE, "total_tokens": WHOLE}, description="tokens are not counted: 0"),
        }
    ),
}
