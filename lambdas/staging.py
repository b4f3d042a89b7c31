"""Where contracts and frames live between stages: a folder on one machine, an S3 bucket in the cloud."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from lambdas.contracts import Contract
from lambdas.errors import SourceMissing

C = TypeVar("C", bound=Contract)


class Store(Protocol):
    """Bytes under slash-separated keys. `get` raises KeyError where there is nothing."""

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None: ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Whether this call wrote it; False leaves what stands."""
        ...

    def put_file(self, key: str, path: Path) -> None: ...

    def get(self, key: str) -> bytes: ...

    def get_range(self, key: str, offset: int, length: int) -> bytes: ...

    def exists(self, key: str) -> bool: ...

    def delete(self, key: str) -> None:
        """Removes the key; nothing happens where there is nothing."""
        ...

    def location(self, key: str) -> str:
        """A path or URL from which a media library can read the key by range."""
        ...


def put_document(store: Store, key: str, document: Contract) -> None:
    """Writes a contract as JSON."""
    store.put(key, document.model_dump_json(indent=1).encode(), content_type="application/json")


def get_document(store: Store, key: str, kind: type[C]) -> C:
    """Reads a contract; KeyError where it is missing, ValidationError where it is not of that kind."""
    return kind.model_validate_json(store.get(key))


class DirectoryStaging:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """The file of a key; ValueError for a key that would lie outside the folder."""
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ValueError(f"key {key!r} leaves the folder")
        return path

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        written = self._write_beside(path, data)
        written.replace(path)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        written = self._write_beside(path, data)
        try:
            # A hard link either takes the name or fails: the first writer wins, and no reader sees half a file.
            os.link(written, path)
        except FileExistsError:
            return False
        finally:
            written.unlink()
        return True

    def put_file(self, key: str, path: Path) -> None:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)

    def get(self, key: str) -> bytes:
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        try:
            with self.path(key).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            raise KeyError(key) from None

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def delete(self, key: str) -> None:
        path = self.path(key)
        path.unlink(missing_ok=True)
        root = self.root.resolve()
        for folder in path.parents:
            # A folder is no key: it goes with its last file, as in a bucket.
            if folder == root or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()

    def location(self, key: str) -> str:
        return str(self.path(key))

    @staticmethod
    def _write_beside(path: Path, data: bytes) -> Path:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return Path(name)


class S3Staging:
    """A bucket, or a prefix of one."""

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.client = client if client is not None else _s3_client()

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, ContentType=content_type)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        from botocore.exceptions import ClientError

        try:
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] == "PreconditionFailed":
                return False
            raise
        return True

    def put_file(self, key: str, path: Path) -> None:
        self.client.upload_file(str(path), self.bucket, self.prefix + key)

    def get(self, key: str) -> bytes:
        return self._get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._get(key, Range=f"bytes={offset}-{offset + length - 1}")

    def exists(self, key: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        return True

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def location(self, key: str) -> str:
        return presign(self.client, self.bucket, self.prefix + key)

    def _get(self, key: str, **arguments: str) -> bytes:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key, **arguments)
        except self.client.exceptions.NoSuchKey:
            raise KeyError(key) from None
        body: bytes = answer["Body"].read()
        return body


def presign(client: Any, bucket: str, key: str, *, version_id: str | None = None, expires_s: int = 3600) -> str:
    """A URL by which one object (one version, if given) can be read for `expires_s`. Never log it."""
    parameters = {"Bucket": bucket, "Key": key}
    if version_id is not None:
        parameters["VersionId"] = version_id
    url: str = client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
    return url


def source_location(uri: str) -> str:
    """From where the video is read by range: the path, the http(s) URL as it is, or a presigned one for s3://.

    Raises SourceMissing for a path without a file and for another kind of URL.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return uri
    if parts.scheme == "s3":
        return presign(_s3_client(), parts.netloc, parts.path.lstrip("/"))
    path = Path(parts.path if parts.scheme == "file" else uri)
    if not path.is_file():
        raise SourceMissing(f"{path.name}: no such file")
    return str(path)


def _s3_client() -> Any:
    import boto3

    return boto3.client("s3")
