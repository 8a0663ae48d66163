"""The S3 and IAM clients of an engine: made once, used from threads, their failures put into the domain's words."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from bucketry.kernel import logs
from bucketry.marketplace.domain.engine_ports import AccessKey
from bucketry.marketplace.domain.errors import EngineRefused, EngineUnavailable
from bucketry.marketplace.engines.light import Courier, LightIam, LightS3
from bucketry.marketplace.engines.signing import Signer
from bucketry.marketplace.engines.wire import Wire

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.exceptions import ClientError
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

THREADS = 16
_CONNECT_TIMEOUT_S = 3
_READ_TIMEOUT_S = 15  # three tries stay below the 60 s after which platforms give up
ATTEMPTS = 3
_TOLD_CHARACTERS = 300
_ASK_CHECK = "The operator finds the reason with: bucketry check-config"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0

# What says that the marketplace itself is not welcome, not that the order is wrong.
_NOT_WELCOME = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AccountProblem",
        "AuthFailure",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "NotSignedUp",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "403",
    }
)
_OVERLOADED = frozenset(
    {
        "ConcurrentModification",
        "OperationAborted",
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
_LIMITS = frozenset({"LimitExceeded", "TooManyBuckets"})  # of users, policies, …; of buckets

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine is driven, and as whom. `iam_url` and `url` may be the same.

    Without a key the `profile` is asked for one, and without a profile the usual chain: environment, files, container,
    instance role. `settles_s`: how long a change may take until all of the engine know of it.
    """

    url: str
    iam_url: str
    region: str
    access_key_id: str = ""
    secret_access_key: str = field(repr=False, default="")
    profile: str = ""
    iam_region: str = ""  # what requests to IAM are signed for; "": the region
    is_path_style: bool = True
    uses_proxies: bool = False
    settles_s: float = 0.0


class LimitReached(EngineRefused):
    """The engine's account may have no more of something. `code`: the engine's word for it."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.limit = code


class Connection:
    """Clients and threads of one engine."""

    def __init__(self, engine_name: str, endpoint: Endpoint) -> None:
        self.engine_name = engine_name
        self.endpoint = endpoint
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"engine-{engine_name}")
        self._making = threading.Lock()
        self._s3: S3Client | None = None
        self._iam: IAMClient | None = None
        self._session: Session | None = None
        self._http: Any = None
        is_plain = endpoint.url.startswith("http://") and not endpoint.uses_proxies
        self._wire = Wire(endpoint.url, _CONNECT_TIMEOUT_S, _READ_TIMEOUT_S) if is_plain else None

    @property
    def s3(self) -> S3Client:
        return self._s3 or self._clients()[0]

    @property
    def iam(self) -> IAMClient:
        return self._iam or self._clients()[1]

    async def run(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        """Call a blocking function in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in (self._s3, self._iam, self._http):
            if client is not None:
                client.close()
        if self._wire is not None:
            self._wire.close()

    def send(self, request: Any) -> Any:
        """A signed request of botocore's (AWSPreparedRequest), for what no client of it can ask: its AWSResponse."""
        if self._wire is not None and (answer := self._wire.send(request)) is not None:
            return answer
        return self._plain_session().send(request)

    def _plain_session(self) -> Any:
        from botocore.httpsession import URLLib3Session

        with self._making:
            if self._http is None:
                self._http = URLLib3Session(
                    proxies=None if self.endpoint.uses_proxies else {},
                    timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),  # type: ignore[arg-type]  # as botocore gives it itself
                    max_pool_connections=2 * THREADS,
                )
            return self._http

    def _clients(self) -> tuple[S3Client, IAMClient]:
        with self._making:
            if self._s3 is None or self._iam is None:
                self._s3, self._iam = self._make()
            return self._s3, self._iam

    def s3_as(self, key: AccessKey) -> S3Client:
        """A client with another key, for the caller to close."""
        self._clients()
        with self._making:
            assert self._session is not None, "made with the clients"
            return self._session.client(
                "s3",
                endpoint_url=self.endpoint.url,
                aws_access_key_id=key.access_key_id,
                aws_secret_access_key=key.secret_access_key,
                config=self._config(**self._of_s3()),
            )

    def patiently(
        self, call: Callable[[], _Result], is_early: Callable[[ClientError], bool], least_tries: int = 1
    ) -> _Result:
        """Call again, with growing pauses, while the engine may not know yet of what was changed just now: as long as
        `settles_s`, and at least so many times. Then the error is the caller's."""
        from botocore.exceptions import ClientError

        deadline, pause_s, tries = time.monotonic() + self.endpoint.settles_s, _FIRST_PAUSE_S, 0
        while True:
            tries += 1
            try:
                return call()
            except ClientError as error:
                is_late = time.monotonic() + pause_s > deadline
                if not is_early(error) or (is_late and tries >= least_tries):
                    raise
            if not is_late:
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _make(self) -> tuple[S3Client, IAMClient]:
        import boto3  # takes a third of a second
        import botocore.session

        endpoint = self.endpoint
        # A profile that the environment names is for those who have no key of their own; it may not even be there.
        is_own = bool(endpoint.access_key_id)
        botocore_session = botocore.session.Session({"profile": (None, None, None, None)} if is_own else None)
        # Nobody reads the times of answers, and parsing one costs as much as all the rest of a document.
        botocore_session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
        with self.doing("looking for its credentials"):
            session = boto3.session.Session(
                botocore_session=botocore_session,
                aws_access_key_id=endpoint.access_key_id or None,
                aws_secret_access_key=endpoint.secret_access_key or None,
                profile_name=endpoint.profile or None,
                region_name=endpoint.region,
            )
            s3 = session.client("s3", endpoint_url=endpoint.url, config=self._config(**self._of_s3()))
            iam_region = endpoint.iam_region or endpoint.region
            iam = session.client(
                "iam",
                endpoint_url=endpoint.iam_url,
                region_name=iam_region,
                config=self._config(signature_version="v4"),
            )
        self._session = session
        if self._wire is None:
            return s3, iam
        for client in (s3, iam):
            client.meta.events.register("before-send", self._wire.send)
        return self._lightened(self._wire, s3, iam)

    def _lightened(self, wire: Wire, s3: S3Client, iam: IAMClient) -> tuple[S3Client, IAMClient]:
        """The clients with the calls of light.py, where its way is theirs."""
        endpoint = self.endpoint
        if not endpoint.access_key_id or not endpoint.is_path_style:
            return s3, iam
        light: list[Any] = []
        for kind, client, url, region in (
            (LightS3, s3, endpoint.url, endpoint.region),
            (LightIam, iam, endpoint.iam_url, endpoint.iam_region or endpoint.region),
        ):
            service = client.meta.service_model.service_name
            signer = Signer(endpoint.access_key_id, endpoint.secret_access_key, region, service)
            courier = Courier(wire, signer, ATTEMPTS, _user_agent())
            light.append(kind(client, courier) if url == endpoint.url else client)
        return light[0], light[1]

    def _of_s3(self) -> dict[str, Any]:
        style = "path" if self.endpoint.is_path_style else "virtual"
        return {"signature_version": "s3v4", "s3": {"addressing_style": style}}

    def _config(self, **of_service: Any) -> Config:
        from botocore.config import Config

        return Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=2 * THREADS,
            parameter_validation=False,  # what goes out is made here; the check costs as much as the rest
            user_agent=_user_agent(),  # and none made anew for each request
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            proxies=None if self.endpoint.uses_proxies else {},  # {}: not even those of the environment
            **of_service,
        )

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Failures of calls inside become EngineRefused and EngineUnavailable. `what`: "making the bucket"."""
        from botocore.exceptions import BotoCoreError, ClientError, SSLError
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ClientError as error:
            raise self._told(error.response, what) from None
        except _without_credentials() as error:
            raise EngineUnavailable(
                f"The engine {self.engine_name} has no credentials to work with ({type(error).__name__}: {error}). "
                f"{_ASK_CHECK}"
            ) from None
        except SSLError as error:
            untrusted = EngineUnavailable(
                f"The certificate of engine {self.engine_name} at {self.endpoint.url} is not trusted here. {_ASK_CHECK}"
            )
            untrusted.add_note(f"{error}. A private authority is named by AWS_CA_BUNDLE=FILE.")
            raise untrusted from None
        except (BotoCoreError, HTTPError, OSError) as error:
            raise EngineUnavailable(
                f"The engine {self.engine_name} at {self.endpoint.url} did not answer while {what} "
                f"({type(error).__name__}); try again when it runs."
            ) from None

    def _told(self, response: Any, what: str) -> EngineRefused | EngineUnavailable:
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        code = str(response.get("Error", {}).get("Code") or status)  # a balancer's page has no code
        message = logs.redact(str(response.get("Error", {}).get("Message", "")))[:_TOLD_CHARACTERS]
        if code in _NOT_WELCOME:
            unwelcome = EngineUnavailable(
                f"The engine {self.engine_name} does not let the marketplace work ({code} while {what}). {_ASK_CHECK}"
            )
            unwelcome.add_note(message)  # names of the account: for operators, not for who ordered
            return unwelcome
        if (status >= 500 and code != "NotImplemented") or code in _OVERLOADED:
            return EngineUnavailable(f"The engine {self.engine_name} failed while {what} ({code}); try again later.")
        if code in _LIMITS:
            return LimitReached(
                f"The engine {self.engine_name} is full, so it refused {what}: {code}: {message.rstrip('.')}. The "
                f"operator can have the limit raised, or add an account to the engine ([[engines.{self.engine_name}."
                "accounts]], see docs/aws.md).",
                code,
            )
        return EngineRefused(f"The engine {self.engine_name} refused {what}: {code}: {message}".rstrip(": .") + ".")


def _user_agent() -> str:
    return f"bucketry/{version('bucketry')}"


def _without_credentials() -> tuple[type[Exception], ...]:
    from botocore import exceptions

    return (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.SSOError,
        exceptions.MetadataRetrievalError,
    )


def code_of(error: Exception) -> str:
    """The error code of a botocore ClientError; HEAD requests have the status instead ("404")."""
    response: Any = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
