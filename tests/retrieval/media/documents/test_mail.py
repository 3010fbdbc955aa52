"""E-mail: subject, people and text; attachments by their names; mailboxes message by message."""

from __future__ import annotations

import datetime as dt
from email.message import EmailMessage
from types import ModuleType

import pytest

from mmsearch.retrieval.media.documents import mail


@pytest.fixture
def message() -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "Grüße vom Leuchtturm"
    made["From"] = "Änne <anne@example.org>"
    made["To"] = "ben@example.org"
    made["Date"] = "Mon, 03 May 2021 10:15:00 +0200"
    made.set_content("The lamp is broken.\n")
    return made


SHOWN = (
    "Grüße vom Leuchtturm\nFrom: Änne <anne@example.org>\nTo: ben@example.org\nDate: Mon, 03 May 2021 10:15:00 +0200\n"
)


def test_a_message_is_its_subject_its_people_and_its_text(documents: ModuleType, message: EmailMessage) -> None:
    texts, facts = documents.read(message.as_bytes(), "a.eml")
    assert texts == [(0, SHOWN + "The lamp is broken.")]
    assert (facts.title, facts.taken_from) == ("Grüße vom Leuchtturm", "mail")
    assert facts.taken_at == dt.datetime(2021, 5, 3, 10, 15, tzinfo=dt.timezone(dt.timedelta(hours=2)))


def test_of_several_forms_the_plain_one_is_taken(documents: ModuleType, message: EmailMessage) -> None:
    message.add_alternative("<p>The lamp is <b>broken</b>, in HTML</p>", subtype="html")
    assert documents.texts_of(message.as_bytes(), "a.eml") == [(0, SHOWN + "The lamp is broken.")]


def test_html_is_read_as_text_and_its_pictures_are_not_fetched(documents: ModuleType, message: EmailMessage) -> None:
    message.set_content("<p>The lamp<img src='https://example.org/track.gif'> is <b>broken</b>", subtype="html")
    assert documents.texts_of(message.as_bytes(), "a.eml") == [(0, SHOWN + "The lamp is broken")]


def test_attachments_are_named_and_not_opened(documents: ModuleType, message: EmailMessage) -> None:
    message.add_attachment(b"\0" * 5000, maintype="application", subtype="pdf", filename="Rechnung März.pdf")
    message.add_attachment("secret", filename="notes.txt")
    text = SHOWN + "The lamp is broken.\n\nAttached: Rechnung März.pdf, notes.txt"
    assert documents.texts_of(message.as_bytes(), "a.eml") == [(0, text)]


def test_each_message_of_a_mailbox_is_a_page(documents: ModuleType, message: EmailMessage) -> None:
    line = b"From anne@example.org Mon May  3 10:15:00 2021\n"
    data = b"".join(line + message.as_bytes() + b"\n>From the sea\nFrom here on\n\n" for _ in range(3))
    for name in ("a.mbox", "Inbox"):
        texts, facts = documents.read(data, name)
        assert [page for page, _ in texts] == [0, 1, 2]
        assert all(text.startswith(SHOWN) and text.endswith("From here on") for _, text in texts)
        assert facts.taken_at is None


def test_a_page_that_was_saved_as_mail_is_read(documents: ModuleType) -> None:
    made = EmailMessage()
    made["Subject"] = "Lights"
    made.set_content("<p>The lamp</p>", subtype="html")
    made.add_related(b"\x89PNG", "image", "png", cid="<a>")
    assert documents.texts_of(made.as_bytes(), "a.mhtml") == [(0, "Lights\nThe lamp")]


def test_of_a_huge_message_only_the_beginning_is_read(
    documents: ModuleType, message: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "MAX_MESSAGE", 2000)
    message.add_attachment(b"\0" * 50_000, maintype="application", subtype="zip", filename="a.zip")
    texts, facts = documents.read(message.as_bytes(), "a.eml")
    assert texts[0][1].startswith(SHOWN + "The lamp is broken.")
    assert facts.note == "only its first 2.0 kB are read"
    line = b"From anne@example.org Mon May  3 10:15:00 2021\n"
    texts, facts = documents.read((line + message.as_bytes() + b"\n") * 2, "a.mbox")
    assert [page for page, _ in texts] == [0, 1]
    assert facts.note == "of 2 messages only the first 2.0 kB are read"


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: =?x-unknown?B?4pi6?= x\n\nbody",
        b"Subject: =?utf-8?B?!!!!?=\nContent-Type: text/plain; charset=no-such\n\nbody",
        b"Content-Transfer-Encoding: base64\n\n%%%% body",
        b"Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n--a\n"
        + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 3000,
        b"Content-Type: multipart/mixed\n\nbody",
        b"Subject: =?utf\0-8?Q?x?=\n\nbody",
    ],
)
def test_odd_messages_do_no_harm(documents: ModuleType, data: bytes) -> None:
    documents.read(data, "a.eml")
