"""XMP inside a JPEG: where a picture comes from. Pure: bytes in, bytes out.

ISO 16684-1 and Adobe's XMP specification, part 3; the person's name goes where IPTC keeps it
(Iptc4xmpExt:PersonInImage).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

MARK = b"http://ns.adobe.com/xap/1.0/\0"
"""Begins the segment that holds the packet."""
NAMESPACE = "urn:talent-frames:xmp:1#"
MOST_BYTES = 65_533
"""A segment holds no more."""


@dataclass(frozen=True)
class Provenance:
    """What a picture tells of itself."""

    source: str
    """The video."""
    run_id: str
    t_s: float
    pts: int | None = None
    """None where only the seconds are known."""
    person: int | None = None
    """The person's id."""
    name: str | None = None
    """The person's; only where names are asked for."""


def tagged_as_wanted(jpeg: bytes, wanted: Literal["none", "facts", "names"], told: Provenance) -> bytes:
    """The JPEG with as much of this in it as a run's `Settings.xmp` wants."""
    if wanted == "none":
        return jpeg
    return tagged(jpeg, told if wanted == "names" else replace(told, name=None))


def tagged(jpeg: bytes, told: Provenance) -> bytes:
    """The JPEG with this in it, in place of any XMP it had; its picture stays as it is, bit for bit."""
    segment = MARK + packet(told).encode()
    if len(segment) > MOST_BYTES:
        raise ValueError(f"{len(segment)} bytes of XMP: a segment holds {MOST_BYTES}")
    head, rest = _parts(jpeg)
    return head + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + rest


def packet(told: Provenance) -> str:
    """The XMP packet."""
    facts = {
        "dc:source": told.source,
        "tf:run": told.run_id,
        "tf:timeCode": _clock(told.t_s),
        "tf:seconds": f"{told.t_s:.3f}",
    }
    if told.pts is not None:
        facts["tf:pts"] = str(told.pts)
    if told.person is not None:
        facts["tf:person"] = str(told.person)
    attributes = "".join(f"\n   {name}={quoteattr(_clean(value))}" for name, value in facts.items())
    people = ""
    if told.name:
        people = (
            f"\n   <Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>{escape(_clean(told.name))}</rdf:li></rdf:Bag>"
            "</Iptc4xmpExt:PersonInImage>"
        )
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f" xmlns:tf={quoteattr(NAMESPACE)}{attributes}>{people}\n"
        "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    )


def _parts(jpeg: bytes) -> tuple[bytes, bytes]:
    """What comes before XMP (start, JFIF, Exif) and after it, without XMP of before. Raises ValueError."""
    if jpeg[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    place, head, rest = 2, jpeg[:2], b""
    while jpeg[place : place + 1] == b"\xff" and jpeg[place + 1] in (0xE0, 0xE1):
        length = int.from_bytes(jpeg[place + 2 : place + 4], "big")
        segment = jpeg[place : place + 2 + length]
        if segment[4 : 4 + len(MARK)] != MARK:
            head += segment
        place += 2 + length
    rest = jpeg[place:]
    return head, rest


def _clean(text: str) -> str:
    """Without what XML can't hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _clock(seconds: float) -> str:
    thousandths = round(max(seconds, 0.0) * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"
