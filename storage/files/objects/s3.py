"""A bucket behind S3's interface."""

from dataclasses import dataclass, field
from datetime import timedelta

from storage.diagnostics import FolderError
from storage.files.objects.cache import CacheFolder
from storage.files.objects.forks import using
from storage.files.objects.remote import RemoteStore


@dataclass(frozen=True)
class Patience:
    """For how long what is asked of a store is waited for, in seconds, and how often it is asked.

    `answer`: for the next bytes, whichever they are; so large ones may take as long as they do.
    """

    connect: float = 5.0
    answer: float = 20.0
    request: float = 300.0  # all of one: a part of an object, or a range
    tries: int = 4
    trying: float = 10.0  # for so long it is asked again, by one call


@dataclass(frozen=True)
class Bucket:
    """A bucket, and what is in front of all of its keys; an endpoint's certificate is verified."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    prefix: str = ""
    region: str = "us-east-1"
    patience: Patience = Patience()

    @property
    def words(self) -> str:
        """What a user knows it by."""
        return f"s3://{'/'.join(filter(None, (self.name, self.prefix)))} at {self.endpoint}"


def open_bucket(bucket: Bucket, cache: CacheFolder | None = None) -> RemoteStore:
    """The objects in a bucket; nothing is asked of it yet.

    Raises FolderError where the program lacks what it takes, or what names the bucket is no name,
    StoreError in a process that was forked from one which has used a store.
    """
    using()
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError as error:
        raise FolderError(
            f'{bucket.words}: takes the package obstore: pip install "minipacs[s3]"'
        ) from error
    patience = bucket.patience
    try:
        client = S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            endpoint=bucket.endpoint,
            region=bucket.region,
            access_key_id=bucket.access_key,
            secret_access_key=bucket.secret_key,
            virtual_hosted_style_request=False,
            disable_bulk_delete=True,  # not all have it
            client_options={
                "allow_http": bucket.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=patience.connect),
                "read_timeout": timedelta(seconds=patience.answer),
                "timeout": timedelta(seconds=patience.request),
            },
            retry_config={
                "max_retries": patience.tries - 1,
                "retry_timeout": timedelta(seconds=patience.trying),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )
    except (BaseError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise FolderError(f"{bucket.words}: cannot be asked: {said}") from error
    return RemoteStore(client, bucket.words, cache)
