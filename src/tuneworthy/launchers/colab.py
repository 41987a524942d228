"""Colab: one notebook that has everything in it, and runs in Jupyter and on Kaggle as it is.

The bundle stands in a cell as base64 of a zip. Nothing is installed where this very package is importable
already; else the wheel in the bundle is, with the versions that are here, torch left to the runtime. The run
is a process of its own, so that what the kernel has imported before does not matter. In Colab the archive
goes to Drive; elsewhere it is beside the notebook. `tuneworthy fetch HANDLE --from` takes it.
"""

import base64
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from tuneworthy.core.duration import brief
from tuneworthy.core.errors import JobError, LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.launchers import Handle, Launcher, Parcel, Status, Terms, Where
from tuneworthy.launchers.package import extras, zipped
from tuneworthy.reports.model_card import escaped
from tuneworthy.runfolder.folder import write_text
from tuneworthy.runfolder.source import source_digest

LARGEST = 14 * 10**6  # bytes of a bundle: Colab takes notebooks of up to 20 MB, and base64 adds a third
WIDTH = 4096  # characters of base64 a line

ABOUT = """# {title}

This notebook is a whole tuneworthy job: its data, its settings and the package itself are in the next cell.
Run every cell from top to bottom. It takes at most {limit}, uses the GPU where the runtime has one, and ends
in the report. **It holds {rows} labelled rows: whoever has the notebook has them.**

In Colab: Runtime, Change runtime type, T4 GPU. The archive goes to `My Drive/tuneworthy`. In Jupyter and on
Kaggle (switch the internet on) it is written beside the notebook. Back on your machine:

    tuneworthy fetch {handle} --from {archive}
"""
UNPACK = """import base64, hashlib, html, io, os, pathlib, re, shutil, signal, subprocess, sys, zipfile

raw = base64.b64decode(BUNDLE)
assert hashlib.sha256(raw).hexdigest() == "{digest}", "this notebook was changed: launch the job again"
here = pathlib.Path("{name}").resolve()
with zipfile.ZipFile(io.BytesIO(raw)) as packed:
    packed.extractall(here / "bundle")
print("unpacked into", here)
"""
INSTALL = """def is_here():
    check = [sys.executable, "-m", "tuneworthy.launchers.worker", "--is", "{source}"]
    return subprocess.run(check, capture_output=True).returncode == 0

def pip(*arguments):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True)

if not is_here():
    (wheel,) = (here / "bundle").glob("tuneworthy-*.whl")
    pip("-c", str(here / "bundle" / "pins.txt"), str(wheel) + "{extras}")
    if not is_here():  # another build of the same version was there
        pip("--no-deps", "--force-reinstall", str(wheel))
assert is_here(), "the package could not be installed: does the runtime have the internet?"
print("installed")
"""
KEEP = """kept = pathlib.Path("{archive}").resolve()
if "google.colab" in str(get_ipython()):  # other places have a module of that name, and no Drive
    try:
        from google.colab import drive
        drive.mount("/content/drive")
        folder = pathlib.Path("/content/drive/MyDrive/tuneworthy")
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "{archive}"
    except Exception as error:
        print(f"Drive is not to be used ({{error or type(error).__name__}}): download the archive from the")
        print("files beside this notebook before the runtime ends, or run this cell again")
print("the archive goes to", kept)
"""
RUN = """from IPython.display import HTML, display

work, out = here / "work", here / "out"
command = [sys.executable, "-m", "tuneworthy.launchers.worker", "--bundle", str(here / "bundle")]
command += ["--work", str(work), "--out", str(out), "--limit", "{seconds}"]
run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")
bar = display(HTML(""), display_id=True)
try:
    for line in run.stdout:
        step = re.match(r"\\[(\\d+)/(\\d+)\\] (.*)", line)
        if step:
            done, total, what = step.groups()
            shown = f"<progress value={done} max={total}></progress> {done}/{total} {html.escape(what)}"
            bar.update(HTML(shown))
        else:
            print(line, end="")
except KeyboardInterrupt:
    run.send_signal(signal.SIGTERM)  # what was done so far is packed; run this cell again to go on
code = run.wait()
if (out / "run.tar.gz").exists():
    shutil.copyfile(out / "run.tar.gz", kept)
    print("kept", kept)
assert code in (0, 3), "the run has failed: the lines above say why"
"""
SHOW = """folder = work / {run}
if (folder / "verdict.json").exists():
    card = "import sys, tuneworthy; print(tuneworthy.open_run(sys.argv[1])._repr_html_())"
    made = subprocess.run([sys.executable, "-c", card, str(folder)], capture_output=True, text=True)
    display(HTML(made.stdout or html.escape(made.stderr)))
    report = html.escape((folder / "report.html").read_text(encoding="utf-8"))
    frame = f'<iframe srcdoc="{{report}}" sandbox width="100%" height="900" frameborder="0"></iframe>'
    display(HTML(f"<div>{{frame}}</div>"))
else:
    print("it was stopped before its end: run the cell above again to go on")
"""


class Options(Frozen):
    """There is nothing to choose."""


class Colab:
    """A notebook."""

    name = "colab"
    title = "a notebook"
    needs: tuple[str, ...] = ("nbformat",)
    extra = "notebook"
    instance = "T4"
    options: type[Frozen] = Options

    def offer(self, instance: str) -> tuple[str, ...]:
        """Colab's own."""
        return (f"Colab {instance}",)

    def where(self, parcel: Parcel, terms: Terms) -> Where:
        """A file; raises JobError where the bundle is too large for one."""
        if parcel.size > LARGEST:
            raise JobError(
                f"a notebook holds up to {LARGEST // 10**6} MB and this job has {parcel.size // 10**6} MB: "
                "launch it with --on skypilot, sagemaker or azureml."
            )
        return Where(
            image="the runtime's own Python and torch",
            place="wherever you upload the notebook",
            leaves=False,
            request={"notebook": _file(parcel.title), "gpu": terms.instance},
            notes=(
                "A free runtime may be refused, and ends after some hours or when it is left idle; "
                "a paid one is billed by Colab in compute units.",
                "The notebook holds your rows: they leave this machine when you upload it, not before.",
            ),
        )

    def submit(self, handle: Handle, bundle: Path, folder: Path) -> dict[str, str]:
        """Writes the notebook."""
        path = folder / _file(handle.parcel.title)
        write_text(path, notebook(handle, bundle))
        return {
            "next": f"open {path.as_posix()} in Colab, Kaggle or Jupyter and run every cell",
            "then": f"tuneworthy fetch {handle.name} --from {_archive(handle)}",
        }

    def status(self, handle: Handle) -> Status:
        """Only its own page knows."""
        return Status(phase="written", told="the notebook's own page shows how it is")

    def logs(self, handle: Handle, seen: int) -> Iterator[str]:
        """Only its own page has them."""
        raise LaunchError("the notebook's own page shows what it prints.")

    def collect(self, handle: Handle, folder: Path) -> Path:
        """Nothing is downloaded from here."""
        raise LaunchError(
            f"bring {_archive(handle)} here (from My Drive/tuneworthy, or from beside the notebook), then "
            f"tuneworthy fetch {handle.name} --from {_archive(handle)}"
        )

    def cancel(self, handle: Handle) -> None:
        """Its own page does that."""
        raise LaunchError("interrupt the notebook on its own page: it keeps what it has done.")


def notebook(handle: Handle, bundle: Path) -> str:
    """The notebook as text; the same bundle, the same text."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    from tuneworthy.launchers.bundle import MANIFEST, read_bundle

    manifest = read_bundle(bundle)
    names = [MANIFEST, *(file.path for file in manifest.files)]
    raw = zipped({name: (bundle / name).read_bytes() for name in names})
    found = extras()
    names_of = {
        "name": handle.parcel.stem,
        "title": escaped(handle.parcel.title),
        "handle": handle.name,
        "rows": str(handle.parcel.rows),
        "limit": brief(handle.terms.seconds),
        "archive": _archive(handle),
        "digest": sha256(raw).hexdigest(),
        "source": source_digest(),
        "extras": f"[{','.join(found)}]" if found else "",
        "seconds": f"{handle.terms.run_seconds:.0f}",
        "run": repr(manifest.run),  # the only name here that another program's file may have given
    }
    folded = {"cellView": "form", "jupyter": {"source_hidden": True}, "_kg_hide-input": True}
    cells = [
        new_markdown_cell(_filled(ABOUT, names_of)),
        new_code_cell(_embedded(raw), metadata=folded),
        *(new_code_cell(_filled(text, names_of)) for text in (UNPACK, INSTALL, KEEP, RUN, SHOW)),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # they are random otherwise
    made = new_notebook(
        cells=cells,
        metadata={
            "accelerator": "GPU",
            "colab": {"gpuType": handle.terms.instance},
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        },
    )
    nbformat.validate(made)
    return str(nbformat.writes(made)) + "\n"


def _embedded(raw: bytes) -> str:
    text = base64.b64encode(raw).decode()
    lines = "\n".join(text[at : at + WIDTH] for at in range(0, len(text), WIDTH))
    return f'# @title The job, its data and the package\nBUNDLE = """\n{lines}\n"""\n'


def _filled(text: str, names: dict[str, str]) -> str:
    """The text with `{name}` replaced, and braces that name nothing left as they are."""
    braces = {"{{": "{", "}}": "}"}
    found = re.sub(r"\{\{|\}\}|\{(\w+)\}", lambda f: braces.get(f[0]) or names.get(f[1], f[0]), text)
    return found.rstrip("\n")


def _file(title: str) -> str:
    return f"{title}.ipynb"


def _archive(handle: Handle) -> str:
    return f"{handle.parcel.stem}.tar.gz"


PLUGIN: Launcher = Colab()
