"""Documents made on the spot: PDF from lines and pictures, and the ZIP files that office programs write."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

from PIL import Image

ENCRYPTED = b"/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> " % (
    b"11" * 32,
    b"22" * 32,
)
"""Of a trailer: no password is known to anybody."""


def pdf(
    *pages: Sequence[str] | Image.Image,
    info: bytes = b"",
    catalog: bytes = b"",
    trailer: bytes = b"",
    with_table: bool = True,
) -> bytes:
    """A PDF whose pages are lines of text, or a picture each.

    Args:
        pages: in order.
        info: entries of the information dictionary.
        catalog: entries of the catalog.
        trailer: entries of the trailer, such as `ENCRYPTED`.
        with_table: False: the cross-reference table is in the wrong place, as in a file that was edited by hand.
    """
    objects = [b"", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"]
    kids = []
    for page in pages:
        picture = b""
        if isinstance(page, Image.Image):
            rgb = page.convert("RGB")
            coded = zlib.compress(rgb.tobytes())
            size = b"/Width %d /Height %d" % rgb.size
            objects.append(
                _stream(b"/Type /XObject /Subtype /Image /ColorSpace /DeviceRGB /BitsPerComponent 8 "
                        b"/Filter /FlateDecode " + size, coded)
            )  # fmt: skip
            picture = b"/XObject << /I %d 0 R >> " % len(objects)
            objects.append(_stream(b"", b"q 612 0 0 792 0 0 cm /I Do Q"))
        else:
            shown = b" ".join(b"(%s) Tj T*" % _escaped(line) for line in page)
            objects.append(_stream(b"", b"BT /F 11 Tf 40 760 Td 13 TL " + shown + b" ET"))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F 3 0 R >> %s>> >>" % (len(objects), picture)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    objects.append(b"<< %s >>" % info)
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = out.tell() if with_table else 7
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R %s>>\n" % (len(objects) + 1, len(objects), trailer))
    out.write(b"startxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def _escaped(line: str) -> bytes:
    return line.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
