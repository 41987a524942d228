"""Lists the licence of everything that is installed, and fails on one that does not go with Apache-2.0.

    pip-licenses --from=mixed --format=json | python docs/check_licenses.py

An expression with OR needs one part that is allowed, one with AND needs them all. What is listed is used as
it is, from where its authors publish it: nothing of it is copied into this repository.
"""

import json
import re
import sys

# As SPDX names them, and as packages spell them; all permissive but MPL-2.0, whose terms stay with its files.
ALLOWED = {
    *("mit", "mit license", "mit-0", "mit-cmu", "isc", "isc license (iscl)", "zlib", "cc0-1.0", "unlicense"),
    *("apache-2.0", "apache 2.0", "apache 2.0 license", "apache software license", "apache license"),
    *("apache-2.0 with llvm-exception", "apache license version 2.0", "bsl-1.0", "hpnd"),
    *("bsd", "bsd license", "0bsd", "bsd-2-clause", "bsd-3-clause", "3-clause bsd license"),
    *("psf-2.0", "python-2.0", "cnri-python", "python software foundation license"),
    *("mpl-2.0", "mozilla public license 2.0 (mpl 2.0)"),
}
# Packages whose metadata say nothing, or more than a name: the licence in their own files, looked up by hand.
READ = {"skops": "MIT", "atheris": "Apache-2.0"}
# Terms of their own, with the reason why they may be there.
EXCUSED = {
    "nvidia-": "NVIDIA's terms; a part of torch's builds for its GPUs, which the user chooses",
    "cuda-": "NVIDIA's terms; a part of torch's builds for its GPUs, which the user chooses",
    "tuneworthy": "this package",
}
OPENING = re.compile(r"^(mit license|apache license version 2\.0)\b", re.IGNORECASE)


def allowed(licence: str) -> bool:
    """Whether an expression, a list of classifiers or the beginning of a licence's text may be used.

    >>> allowed("MPL-2.0 AND (Apache-2.0 OR GPL-3.0)"), allowed("MIT; GPL-3.0"), allowed("")
    (True, False, False)
    """
    words = " ".join(licence.split())
    if len(words) > 200:  # a whole text in the place of its name
        found = OPENING.match(words)
        words = found[1] if found else words[:200]
    while inner := re.search(r"\(([^()]* (?:OR|AND) [^()]*)\)", words):
        verdict = "MIT" if allowed(inner[1]) else "refused"
        words = words.replace(inner[0], verdict)
    if " OR " in words:
        return any(allowed(part) for part in words.split(" OR "))
    parts = re.split(r" AND |; ", words)
    return all(part.strip().lower() in ALLOWED for part in parts)


def refused(packages: list[dict[str, str]]) -> list[str]:
    """Name and licence of each package that needs a look."""
    found = []
    for package in packages:
        name, licence = package["Name"], package["License"]
        licence = READ.get(name.lower(), licence) if licence == "UNKNOWN" else licence
        if not any(name.lower().startswith(prefix) for prefix in EXCUSED) and not allowed(licence):
            found.append(f"{name}: {' '.join(licence.split())[:80]}")
    return found


def main() -> None:
    """Reads the list, prints it, and ends with 1 where something is refused."""
    packages = json.load(sys.stdin)
    for package in packages:
        print(f"{package['Name']} {package['Version']}: {' '.join(package['License'].split())[:80]}")
    if problems := refused(packages):
        sys.exit("not known to go with Apache-2.0:\n  " + "\n  ".join(problems))
    print(f"{len(packages)} packages, every licence goes with Apache-2.0")


if __name__ == "__main__":
    main()
