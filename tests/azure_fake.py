"""A local stand-in for Azure: as much of its REST endpoints as azure-ai-ml asks for, in memory.

It sits below `requests`, where the network would be; azure-ai-ml and azure-storage-blob run as they
are, with their own retries. Resources are what was PUT, with the fields that a service adds.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
import responses

ARM, BLOBS, DATA = "management.azure.com", "account.blob.core.windows.net", "westeurope.api.azureml.ms"
WORKSPACE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.MachineLearningServices/workspaces/[^/]+"
)
STORE, LOG = "workspaceblobstore", "user_logs/std_log.txt"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class FakeAzure:
    """A workspace with one datastore.

    Attributes:
        resources: by path below the workspace.
        blobs: bytes by name in the container.
        asked: method and URL of each request.
        then: states that a resource will have each time it is asked for, by its path.
        faults: what is answered instead, and how often yet, by a pattern of "METHOD URL".
    """

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    then: dict[str, list[str]] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)

    def __enter__(self) -> "FakeAzure":
        self.mock = responses.RequestsMock(assert_all_requests_are_fired=False)
        self.mock.start()
        for method in ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"):
            self.mock.add_callback(method, re.compile(r"https://.*"), callback=self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        self.mock.stop(allow_assert=False)

    def _answer(self, request: Any) -> Answer:
        said = f"{request.method} {request.url}"
        self.asked.append(said)
        for pattern, left in self.faults.items():
            if left and re.search(pattern, said):
                fault = left.pop(0)
                if isinstance(fault, Exception):
                    raise fault
                if fault:
                    return _json({"error": {"code": "Fault", "message": f"fault {fault}"}}, fault)
        content = request.body.read() if hasattr(request.body, "read") else request.body or b""
        content = content.encode() if isinstance(content, str) else content
        url = urlsplit(request.url)
        places: dict[str, Callable[..., Answer]] = {ARM: self._arm, BLOBS: self._blob, DATA: self._data}
        if url.netloc not in places:
            return _none()
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        return places[url.netloc](request.method, unquote(url.path), query, content, request.headers)

    def _arm(
        self, method: str, path: str, query: dict[str, str], content: bytes, headers: dict[str, str]
    ) -> Answer:
        found = WORKSPACE.match(path)
        if found is None:
            return _none()
        workspace, path = found[0], path[found.end() :]
        if not path:
            about = {"discoveryUrl": f"https://{DATA}/discovery", "workspaceId": "1"}
            return _json({"id": workspace, "name": "w", "location": "westeurope", "properties": about})
        if path in (f"/datastores/{STORE}", "/datastores/workspaceartifactstore"):
            return _json(_datastore(workspace))
        if path == "/datastores":
            return _json({"value": [_datastore(workspace)]})
        if path.endswith("/listSecrets"):
            return _json({"secretsType": "AccountKey", "key": base64.b64encode(CANARY.encode()).decode()})
        if method == "PUT":
            body = json.loads(content)
            name = path.rsplit("/", 1)[1]
            self.resources[path] = {**body, "id": workspace + path, "name": name, "type": "t"}
            self._added(path, self.resources[path]["properties"])
            return _json(self.resources[path])
        if method == "DELETE":
            gone = [one for one in self.resources if one == path or one.startswith(f"{path}/")]
            for one in gone:
                del self.resources[one]
            return (200, {}, b"") if gone else (204, {}, b"")
        if method == "POST" and path.endswith("/cancel"):
            self.resources[path.removesuffix("/cancel")]["properties"]["status"] = "Canceled"
            return 200, {}, b""
        if path in self.resources:
            if coming := self.then.get(path):
                self.resources[path]["properties"]["provisioningState"] = coming.pop(0)
            return _json(self.resources[path])
        below = [body for one, body in self.resources.items() if one.rpartition("/")[0] == path]
        if below or path.endswith("/deployments"):
            return _json({"value": below})
        return _none()

    def _added(self, path: str, properties: dict[str, Any]) -> None:
        """What the service adds to a resource."""
        if path.startswith("/jobs/"):
            properties.setdefault("status", "Queued")
            properties.setdefault("services", {})
        if path.startswith("/models/"):
            properties.setdefault("flavors", {})
        if path.startswith("/onlineEndpoints/"):
            properties["provisioningState"] = "Succeeded"
            if "/deployments/" in path and not properties.get("scaleSettings"):
                properties["scaleSettings"] = {"scaleType": "Default"}
            if path.count("/") == 2:
                properties["scoringUri"] = (
                    f"https://{path.rsplit('/', 1)[1]}.westeurope.inference.ml.azure.com/x"
                )

    def _blob(
        self, method: str, path: str, query: dict[str, str], content: bytes, headers: dict[str, str]
    ) -> Answer:
        name = path.removeprefix("/").partition("/")[2]
        comp = query.get("comp")
        if comp == "list":
            return 200, {"content-type": "application/xml"}, self._listed(query.get("prefix", ""))
        if method == "PUT" and comp == "block":
            self.blocks.setdefault(name, {})[query["blockid"]] = content
            return 201, {}, b""
        if method == "PUT" and comp == "blocklist":
            order = re.findall(r"<Latest>([^<]+)</Latest>", content.decode())
            self.blobs[name] = b"".join(self.blocks[name][one] for one in order)
        elif method == "PUT" and comp is None:
            self.blobs[name] = content
        if method == "PUT":
            said = {k.lower(): v for k, v in headers.items() if k.lower().startswith("x-ms-meta-")}
            if said:
                self.metadata[name] = said
            return 200 if comp == "metadata" else 201, {"etag": '"1"', "last-modified": NOW}, b""
        if name not in self.blobs:
            return 404, {"x-ms-error-code": "BlobNotFound"}, b""
        whole = self.blobs[name]
        about = {
            "etag": '"1"',
            "last-modified": NOW,
            "x-ms-blob-type": "BlockBlob",
            **self.metadata.get(name, {}),
        }
        if method == "HEAD":
            return 200, {**about, "content-length": str(len(whole))}, b""
        first, last = _range(headers, len(whole))
        if first is None:
            return 200, about, whole
        part = whole[first : last + 1]
        return 206, {**about, "content-range": f"bytes {first}-{first + len(part) - 1}/{len(whole)}"}, part

    def _listed(self, prefix: str) -> bytes:
        entries = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{len(content)}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name, content in sorted(self.blobs.items())
            if name.startswith(prefix)
        )
        head = '<?xml version="1.0" encoding="utf-8"?>'
        return (
            f"{head}<EnumerationResults><Blobs>{entries}</Blobs><NextMarker/></EnumerationResults>".encode()
        )

    def _data(
        self, method: str, path: str, query: dict[str, str], content: bytes, headers: dict[str, str]
    ) -> Answer:
        """Discovery, and run history: where a job's outputs lie, and its log while it runs."""
        if path == "/discovery":
            return _json({"api": f"https://{DATA}", "history": f"https://{DATA}"})
        if path.endswith("/rundata"):
            job = json.loads(content)["runId"]
            asset = {"assetId": f"azureml://data/{job}", "type": "uri_folder"}
            return _json(
                {"runMetadata": {"runId": job, "outputs": {"run": asset} if self._left(job) else {}}}
            )
        if path.endswith("/batchGetResolvedUris"):
            (asset_id,) = json.loads(content)["values"]
            place = f"azureml/{asset_id.rpartition('/')[2]}/run/"
            uri = f"azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/{STORE}/paths/{place}"
            return _json({"values": {asset_id: {"uri": uri, "type": "uri_folder"}}})
        if path.endswith("/details"):
            job = path.split("/")[-2]
            status = self.resources[f"/jobs/{job}"]["properties"]["status"]
            log = f"ExperimentRun/dcid.{job}/{LOG}"
            files = {LOG: f"https://{BLOBS}/container/{log}?sig={CANARY}"} if log in self.blobs else {}
            return _json({"runId": job, "status": status, "logFiles": files})
        return _none()

    def _left(self, job: str) -> bool:
        return any(name.startswith(f"azureml/{job}/run/") for name in self.blobs)

    def print(self, job: str, text: str) -> None:
        """What a job has printed so far."""
        self.resources[f"/jobs/{job}"]["properties"]["status"] = "Running"
        self.blobs[f"ExperimentRun/dcid.{job}/{LOG}"] = text.encode()

    def end(self, job: str, status: str = "Completed", left: bytes | None = None) -> None:
        """A job's end, and the archive in its output."""
        self.resources[f"/jobs/{job}"]["properties"]["status"] = status
        if left is not None:
            self.blobs[f"azureml/{job}/run/run.tar.gz"] = left


CANARY = "canary-5e02"
NOW = "Sun, 29 Nov 2026 12:00:00 GMT"


@contextmanager
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    """The stand-in, and credentials that nobody checks; skips where azure-ai-ml is not installed."""
    pytest.importorskip("azure.ai.ml", reason="pip install 'tuneworthy[azureml]'")
    identity = pytest.importorskip("azure.identity", reason="pip install 'tuneworthy[azureml]'")

    class Token:
        token, expires_on = CANARY, 2**32

    class Credential:
        def get_token(self, *scopes: str, **options: object) -> Token:
            return Token()

    monkeypatch.setattr(identity, "DefaultAzureCredential", Credential)
    # Between two tries the clients wait for seconds; that they try again is what is tested.
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with FakeAzure() as fake:
        yield fake


def _range(headers: dict[str, str], size: int) -> tuple[int | None, int]:
    said = headers.get("x-ms-range") or headers.get("Range")
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", said or "")
    if found is None:
        return None, 0
    return int(found[1]), int(found[2] or size - 1)


def _datastore(workspace: str) -> dict[str, Any]:
    about = {
        "datastoreType": "AzureBlob",
        "accountName": "account",
        "containerName": "container",
        "endpoint": "core.windows.net",
        "protocol": "https",
        "isDefault": True,
        "credentials": {"credentialsType": "AccountKey"},
    }
    return {"id": f"{workspace}/datastores/{STORE}", "name": STORE, "type": "t", "properties": about}


def _json(body: Any, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(body).encode()


def _none() -> Answer:
    return _json({"error": {"code": "NotFound", "message": "there is none"}}, 404)
