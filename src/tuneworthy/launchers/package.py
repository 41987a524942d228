"""This very package as a wheel, and the versions beside it: what runs elsewhere is what would run here."""

import base64
import hashlib
import io
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tuneworthy.core.errors import LaunchError
from tuneworthy.runfolder.source import NAME, source_files

EXTRAS = ("qlora", "search", "setfit", "text")  # what decides which arms and metrics a job has
OLDEST = (1980, 1, 1, 0, 0, 0)  # of a zip: the same bytes whenever it is written
# The place's own build of torch fits its driver and card; another costs gigabytes and may not run there.
LEFT_TO_THE_PLACE = ("torch", "torchvision", "torchaudio", "triton", "nvidia-", "cuda-")


def wheel() -> tuple[str, bytes]:
    """The file name and bytes of a wheel of the package as it is here; the same files, the same bytes.

    The form is the one of PEP 427.

    Raises:
        LaunchError: the package was never installed, so that nobody knows what it depends on.
    """
    try:
        about = distribution(NAME)
    except PackageNotFoundError:
        raise LaunchError(f"{NAME} is not installed here, so it cannot be sent: pip install it.") from None
    number = version(NAME)
    info = f"{NAME}-{number}.dist-info"
    files = {name: path.read_bytes() for name, path in source_files().items()}
    texts = {
        "METADATA": about.read_text("METADATA") or "",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": about.read_text("entry_points.txt") or "",
    }
    files |= {f"{info}/{name}": text.encode() for name, text in texts.items()}
    records = "".join(f"{name},sha256={_short(content)},{len(content)}\n" for name, content in files.items())
    files[f"{info}/RECORD"] = f"{records}{info}/RECORD,,\n".encode()
    return f"{NAME}-{number}-py3-none-any.whl", zipped(files)


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip whose bytes depend on names and contents alone."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()


def _short(content: bytes) -> str:
    """A digest as RECORD files write it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def extras() -> tuple[str, ...]:
    """The extras whose libraries are installed here."""
    wanted = [Requirement(text) for text in distribution(NAME).requires or ()]
    return tuple(
        extra
        for extra in EXTRAS
        if all(_installed(one.name) for one in wanted if one.marker and _is_of(one, extra))
    )


def pins() -> str:
    """A constraints file: every library that the package and those extras bring, in the version that is here.

    What a card's driver decides (torch and its own) is left to the place.
    """
    found: dict[str, str] = {}
    waiting = [(NAME, frozenset(extras()))]
    seen = set()
    while waiting:
        name, asked = waiting.pop()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        for text in distribution(name).requires or ():
            one = Requirement(text)
            environments = [{"extra": extra} for extra in ("", *asked)]
            if one.marker and not any(one.marker.evaluate(each) for each in environments):
                continue
            plain = canonicalize_name(one.name)
            if not _installed(plain):
                continue
            if not plain.startswith(LEFT_TO_THE_PLACE):
                found[plain] = Version(version(plain)).public
            waiting.append((plain, frozenset(one.extras)))
    return "".join(f"{name}=={number}\n" for name, number in sorted(found.items()))


def _is_of(one: Requirement, extra: str) -> bool:
    """Whether a requirement belongs to an extra, and to nothing else."""
    assert one.marker is not None
    return one.marker.evaluate({"extra": extra}) and not one.marker.evaluate({"extra": ""})


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
