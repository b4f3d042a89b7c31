"""Where contracts and frames live between stages: a folder on one machine, an S3 bucket in the cloud."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from lambdas.contracts import Contract
from lambdas.errors import AwsMissing, SourceChanged, SourceMissing, SourceRefused

C = TypeVar("C", bound=Contract)

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
"""Of one try at a bucket; a healthy one answers within a second, and a stuck one is worth another try."""

CHANGED_MEANWHILE = ("ConditionalRequestConflict", "NoSuchKey", "PreconditionFailed")
"""Answers to a write under a condition where somebody else has written or deleted the key since it was looked at."""
CONFLICT_TRIES = 4
"""Of a conditional write that S3 answers with 409 (Amazon S3 user guide, "How to prevent object overwrites")."""


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

    def free_bytes(self) -> int | None:
        """How much more it holds; None where nobody counts."""
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

    def __init__(self, root: Path, *, private: bool = True) -> None:
        """Files that are not `private` may be read by whoever the user's umask lets."""
        self.root = root
        self._mode = 0o600 if private else 0o666

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

    def free_bytes(self) -> int | None:
        there = next(folder for folder in (self.root.absolute(), *self.root.absolute().parents) if folder.exists())
        return shutil.disk_usage(there).free

    def location(self, key: str) -> str:
        return str(self.path(key))

    def _write_beside(self, path: Path, data: bytes) -> Path:
        written = path.with_name(f".writing-{uuid.uuid4().hex}")
        with open(written, "xb", opener=partial(os.open, mode=self._mode)) as file:
            file.write(data)
        return written


class S3Staging:
    """A bucket, or a prefix of one."""

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.client = client if client is not None else s3_client()

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, ContentType=content_type)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        from botocore.exceptions import ClientError

        for last in (False,) * (CONFLICT_TRIES - 1) + (True,):
            try:
                self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "PreconditionFailed":
                    return False
                # Somebody else is writing or deleting it at this moment: whether they win is known at the next try.
                if code != "ConditionalRequestConflict" or last:
                    raise
            else:
                return True
        raise AssertionError("the last try returns or raises")

    def put_unless(self, key: str, data: bytes, stays: Callable[[bytes], bool]) -> bool:
        """Whether this call wrote it; False where what stood there says that it stays.

        What somebody else writes in between is looked at as well.
        """
        from botocore.exceptions import ClientError

        for last in (False,) * (CONFLICT_TRIES - 1) + (True,):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
                if stays(answer["Body"].read()):
                    return False
                condition = {"IfMatch": answer["ETag"]}
            except self.client.exceptions.NoSuchKey:
                condition = {"IfNoneMatch": "*"}
            try:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=self.prefix + key,
                    Body=data,
                    ContentType="application/json",
                    **condition,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in CHANGED_MEANWHILE or last:
                    raise
            else:
                return True
        raise AssertionError("the last try returns or raises")

    def put_file(self, key: str, path: Path) -> None:
        from boto3.exceptions import S3UploadFailedError

        try:
            self.client.upload_file(str(path), self.bucket, self.prefix + key)
        except S3UploadFailedError as error:
            # The service's own error says whether it was busy.
            raise error.__context__ or error from None

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

    def free_bytes(self) -> int | None:
        return None

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


def source_location(uri: str, *, version_id: str | None = None, etag: str | None = None) -> str:
    """From where the video is read by range: the path, the http(s) URL as it is, or a presigned one for s3://.

    An s3 URL's is pinned to `version_id`. A signed URL can't be pinned to an ETag, so without a version the object is
    looked up and must have `etag`.

    Raises SourceMissing for a path or object that isn't there and for another kind of URL, and SourceChanged where the
    object is another one by now.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return uri
    if parts.scheme == "s3":
        bucket, key = split_s3_uri(uri)
        client = s3_client()
        if version_id is None and etag is not None:
            now = describe_object(client, bucket, key)
            if now.etag != etag:
                raise SourceChanged(f"{uri}: has ETag {now.etag} by now, the run was planned for {etag}")
        return presign(client, bucket, key, version_id=version_id)
    path = Path(parts.path if parts.scheme == "file" else uri)
    if not path.is_file():
        raise SourceMissing(f"{path.name}: no such file")
    return str(path)


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key. A key may hold `?`, `#` and `%`, which mean nothing here."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


@dataclass(frozen=True)
class ObjectFacts:
    """What a bucket says of an object."""

    version_id: str | None
    """None where the bucket keeps no versions."""
    etag: str
    """Without quotes."""
    uploaded_at: str
    """ISO 8601, UTC, in whole seconds."""


def describe_object(client: Any, bucket: str, key: str, version_id: str | None = None) -> ObjectFacts:
    """Version and ETag of an object as it stands, or of that version.

    Raises SourceMissing, and SourceRefused where the trouble is not the object's.
    """
    from botocore.exceptions import ClientError

    version = {} if version_id is None else {"VersionId": version_id}
    try:
        answer = client.head_object(Bucket=bucket, Key=key, **version)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("301", "400", "403"):
            # The answer to HEAD has no body that would tell why.
            code = _why_refused(client, bucket, key, version) or code
        # A delete marker is a 405.
        if code in ABOUT_THE_OBJECT:
            raise SourceMissing(f"s3://{bucket}/{key}: no such object, or it may not be read ({code})") from None
        if code in NOT_ABOUT_THE_OBJECT:
            raise SourceRefused(f"s3://{bucket}/{key}: {NOT_ABOUT_THE_OBJECT[code]} ({code})") from None
        raise
    found = answer.get("VersionId")
    return ObjectFacts(
        version_id=found if found not in (None, "null") else None,
        etag=answer["ETag"].strip('"'),
        uploaded_at=answer["LastModified"].astimezone(UTC).isoformat(timespec="seconds"),
    )


def _why_refused(client: Any, bucket: str, key: str, version: dict[str, str]) -> str:
    """S3's own code for a refusal; empty where this reading was not refused."""
    from botocore.exceptions import ClientError

    try:
        client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0", **version)["Body"].close()
    except ClientError as error:
        code: str = error.response["Error"]["Code"]
        return code
    return ""


ABOUT_THE_OBJECT = frozenset(
    {
        *("400", "403", "404", "405", "AccessDenied", "InvalidArgument", "InvalidObjectState", "MethodNotAllowed"),
        *("NoSuchBucket", "NoSuchKey", "NoSuchVersion", "NotFound"),
    }
)
"""Codes of S3, or statuses where an answer holds no code, that say that the object isn't there or may not be read."""

NOT_ABOUT_THE_OBJECT = {
    "AuthorizationHeaderMalformed": "signed for another region than the bucket's",
    "AuthorizationQueryParametersError": "signed for another region than the bucket's, or for too long a time",
    "ExpiredToken": "the credentials have expired",
    "IllegalLocationConstraintException": "the bucket is in another region",
    "InvalidAccessKeyId": "the credentials are unknown to the store",
    "InvalidToken": "the session's token is not the store's",
    "PermanentRedirect": "the bucket is in another region",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "SignatureDoesNotMatch": "the signature does not fit: a wrong secret key, or a changed request",
    "TemporaryRedirect": "the bucket was made minutes ago in another region",
    "TokenRefreshRequired": "the credentials must be refreshed",
}
"""Codes of S3 (Amazon S3 API reference, error responses) for refusals that say nothing about the object."""


ANSWER_BYTES = 4096
"""Of a refusal's text looked at."""


def refusal(what: str, status: int, text: str, region: str | None = None) -> SourceMissing | SourceRefused:
    """The named error for a URL that was answered by a 3xx or 4xx.

    Stores of S3's kind say in the text what they refused, and in a header which `region` the bucket is in.
    """
    told = re.search(r"<Code>(\w+)</Code>", text)
    code = told[1] if told else ""
    why = f"HTTP {status}, {code}" if code else f"HTTP {status}"
    if code == "AccessDenied" and "Request has expired" in text:
        code = "ExpiredToken"
    if code in NOT_ABOUT_THE_OBJECT:
        there = f"; the bucket is in {region}" if region else ""
        return SourceRefused(f"{what}: {NOT_ABOUT_THE_OBJECT[code]} ({why}){there}")
    return SourceMissing(f"{what}: can't be read ({why})")


def limit_waiting(connect_timeout_s: int, read_timeout_s: int) -> None:
    """How long one try at a bucket may take, for clients made from here on."""
    global _timeouts_s
    if (connect_timeout_s, read_timeout_s) != _timeouts_s:
        _timeouts_s = connect_timeout_s, read_timeout_s
        s3_client.cache_clear()


_timeouts_s = CONNECT_TIMEOUT_S, READ_TIMEOUT_S


@cache
def s3_client() -> Any:
    """One client a process; its retries and their number come from AWS_RETRY_MODE and AWS_MAX_ATTEMPTS."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.session import Session
    except ImportError:
        raise AwsMissing("s3:// URLs need boto3: pip install 'talent-frames[aws]'") from None

    session = Session()
    connect_s, read_s = _timeouts_s
    # Signature 4, since objects under a KMS key can't be read by an older signature.
    config = Config(
        signature_version="s3v4",
        connect_timeout=connect_s,
        read_timeout=read_s,
        s3={"addressing_style": _addressing_style(session)},
    )
    return boto3.Session(botocore_session=session).client("s3", config=config)


def _addressing_style(session: Any) -> str:
    """Whether URLs name a bucket by host (`virtual`) or by path.

    By host, unless the AWS profile says otherwise (`s3 = addressing_style = path`): with nothing said, boto3 signs URLs
    for the host of all regions, which answers for us-east-1 alone and sends others elsewhere, where the signature does
    not fit any more (https://github.com/boto/boto3/issues/2989). An endpoint of one's own (AWS_ENDPOINT_URL) gets
    paths, which every S3-compatible server understands without names of its own in DNS.
    """
    from botocore.configprovider import ConfiguredEndpointProvider

    profile = session.get_scoped_config()
    own = ConfiguredEndpointProvider(session.full_config, profile, "s3").provide()
    chosen = profile.get("s3")
    if isinstance(chosen, dict) and "addressing_style" in chosen:
        return str(chosen["addressing_style"])
    return "path" if own and not session.get_config_variable("ignore_configured_endpoint_urls") else "virtual"
