"""Files and folders that programs create beside a user's own: recycle bins, snapshots, previews, caches, by name."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

BIN, VERSIONS, PREVIEWS, CACHE, SYSTEM = (
    "recycle bin",
    "snapshot or old version",
    "preview",
    "cache",
    "system file",
)


@dataclass(frozen=True, slots=True)
class Leftover:
    """Names that a program gives to files or folders that are not the user's own.

    Attributes:
        kind: what they are, for the report.
        pattern: a regular expression for the whole name or, if it contains a ``/``, for the names of the last folders.
        fold: match in any case, because the file systems that the program runs on ignore case.
        files: match files; otherwise folders.
    """

    kind: str
    pattern: str
    fold: bool = True
    files: bool = False


_LIBRARY = r"[^/]+\.(photoslibrary|photolibrary|migratedphotolibrary|aplibrary)"
TABLE = (
    # Windows, also on its disks elsewhere; XP; what its check of a disk found
    Leftover(BIN, r"\$RECYCLE\.BIN|RECYCLER"),
    Leftover(SYSTEM, r"System Volume Information|FOUND\.\d{3}"),
    Leftover(SYSTEM, r"Thumbs\.db|ehthumbs(_vista)?\.db|desktop\.ini|thumbcache_\w+\.db", files=True),
    # macOS, also what it leaves on shares and in archives
    Leftover(BIN, r"\.Trashes|\.Trash|Network Trash Folder"),
    Leftover(VERSIONS, r"\.DocumentRevisions-V100|\.MobileBackups"),
    Leftover(SYSTEM, r"__MACOSX|\.AppleDouble|\.Spotlight-V100|\.fseventsd|\.TemporaryItems|Temporary Items|\.apdisk"),
    Leftover(SYSTEM, r"\.DS_Store|\._.+|Icon\r|\.localized|\.VolumeIcon\.icns", files=True),
    # Synology, QNAP, Samba, NetApp
    Leftover(BIN, r"#recycle|@Recycle|\.recycle"),
    Leftover(VERSIONS, r"#snapshot|@Recently-Snapshot|@sharesnap|\.snapshot|~snapshot"),
    Leftover(PREVIEWS, r"@eaDir|\.@__thumb|@Transcode"),
    Leftover(CACHE, r"@tmp|\.SynologyWorkingDirectory|\.@upload_cache"),
    # desktops on Linux, ZFS, Btrfs, disks
    Leftover(BIN, r"\.Trash-\d+|\.local/share/Trash|\.trash", fold=False),
    Leftover(VERSIONS, r"\.zfs|\.snapshots", fold=False),
    Leftover(PREVIEWS, r"\.thumbnails|\.cache/thumbnails|\.thumbs|\.xvpics", fold=False),
    Leftover(SYSTEM, r"lost\+found", fold=False),
    # Android
    Leftover(BIN, r"\.globalTrash|\.trashBin", fold=False),
    Leftover(BIN, r"\.trashed-\d+-.+", fold=False, files=True),
    # programs that keep folders alike
    Leftover(VERSIONS, r"\.stversions|\.sync/Archive|files_versions", fold=False),
    Leftover(BIN, r"files_trashbin", fold=False),
    Leftover(PREVIEWS, r"appdata_\w+/preview", fold=False),
    Leftover(CACHE, r"\.dropbox\.cache|\.tmp\.drive(down|up)load|\.stfolder"),
    # programs for photos and films
    Leftover(PREVIEWS, r".+\.lrdata|.+\.lrcat-data"),
    Leftover(
        PREVIEWS,
        _LIBRARY + r"/(Thumbnails|Previews|Data\.noindex|iPod Photo Cache|Apple TV Photo Cache|resources/(derivatives"
        r"|proxies))",
    ),
    Leftover(VERSIONS, r"\.picasaoriginals"),
    Leftover(BIN, r"\.dtrash", fold=False),
    Leftover(SYSTEM, r"(thumbnails|similarity|recognition)-?digikam\.db|digikam4\.db", files=True),
    Leftover(PREVIEWS, r"CaptureOne/Cache|\.BridgeCacheT?|\.ZbThumbnail"),
    Leftover(PREVIEWS, r".+\.trickplay", fold=False),
    Leftover(
        PREVIEWS,
        r"Adobe Premiere Pro (Video|Audio) Previews|CacheClip|[^/]+\.fcpbundle/.+/(Render Files|Transcoded Media)",
    ),
    Leftover(PREVIEWS, r"M4ROOT/(THMBNL|SUB)|AVCHDTN"),
    # programs for code
    Leftover(CACHE, r"node_modules|__pycache__", fold=False),
    # this program
    Leftover(SYSTEM, r"\.mmsearchignore", fold=False, files=True),
)

_FILE_ENDINGS = (".db", ".ini", "\r")  # of the names of files in the table that do not begin with a dot
_PREVIEW_ENDINGS = (".lrv", ".thm", ".lrf")
DOUBTFUL_ENDINGS = tuple(ending.encode() for ending in (*_FILE_ENDINGS, *_PREVIEW_ENDINGS))
"""Other files are no leftovers, unless their names begin with a dot. For names in lower case."""

_PREVIEW = re.compile(r"(?P<stem>.+)\.(lrv|thm|lrf)", re.IGNORECASE | re.DOTALL)
_FILM = re.compile(r"\.(mp4|mov|m4v|360|insv|avi|mpe?g|mts|m2ts|3gp|mkv|crw|cr2)", re.IGNORECASE)
_CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"

FOLDERS = tuple(entry for entry in TABLE if not entry.files)
FILES = tuple(entry for entry in TABLE if entry.files)


def _joined(entries: tuple[Leftover, ...]) -> re.Pattern[str]:
    """One regular expression, matched at the end of a path, with a group for each entry."""
    groups = (f"(?P<_{i}>{'(?i:' if e.fold else '(?:'}{e.pattern}))" for i, e in enumerate(entries))
    return re.compile(rf"(?:^|.*/)(?:{'|'.join(groups)})\Z", re.DOTALL)


_FOLDERS, _FILES = _joined(FOLDERS), _joined(FILES)


def kind_of_folder(path: str) -> str | None:
    """The kind of leftovers in a folder, by its path; None for a folder of the user's own."""
    match = _FOLDERS.match(path)
    return None if match is None else FOLDERS[int(str(match.lastgroup)[1:])].kind


def kind_of_file(name: str, beside: Collection[bytes]) -> str | None:
    """The kind of leftover that a file is, by its name and the names beside it; None for a file of the user's own."""
    if name.startswith(".") or name.casefold().endswith(_FILE_ENDINGS):  # a scan calls this for every file
        match = _FILES.match(name)
        if match is not None:
            return FILES[int(str(match.lastgroup)[1:])].kind
    if name[-4:].casefold() in _PREVIEW_ENDINGS and _is_preview_of_film(name, beside):
        return PREVIEWS
    return None


def _is_preview_of_film(name: str, beside: Collection[bytes]) -> bool:
    """Whether a camera made the file for a film that lies beside it: ``GX010001.THM``, ``GL010001.LRV``, …

    GoPro names the small film of GX…, GH… and GS… with an L in the second place; Insta360's LRV_… belongs to VID_….
    """
    match = _PREVIEW.fullmatch(name)
    if match is None:
        return False
    stem = match["stem"].casefold()
    stems = {stem}
    if re.fullmatch(r"gl\d{6}", stem):
        stems |= {"g" + letter + stem[2:] for letter in "xhsp"}
    if stem.startswith("lrv_"):
        stems |= {"vid_" + re.sub(r"_\d\d_(\d+)$", rf"_{lens}_\1", stem[4:]) for lens in ("00", "10", "01", "11")}
    for other in beside:
        other_stem, dot, ending = other.decode("utf-8", "surrogateescape").rpartition(".")
        if other_stem.casefold() in stems and _FILM.fullmatch(dot + ending):
            return True
    return False


def kind_by_contents(folder: bytes, names: Collection[bytes]) -> str | None:
    """The kind of leftovers in a folder, by the names in it: a tagged cache, or the store of a version control.

    Tags: https://bford.info/cachedir/ (CACHEDIR.TAG), and those by which PhotoPrism and immich know their own.
    """
    if b"CACHEDIR.TAG" in names:
        try:
            with open(folder + b"/CACHEDIR.TAG", "rb") as file:
                if file.read(len(_CACHE_TAG)) == _CACHE_TAG:
                    return CACHE
        except OSError:
            pass
    if b".ppstorage" in names:
        return CACHE
    if b".immich" in names and folder.rpartition(b"/")[2] in (b"thumbs", b"encoded-video"):
        return PREVIEWS
    if {b"HEAD", b"objects", b"refs"} <= set(names):
        return VERSIONS
    return None
