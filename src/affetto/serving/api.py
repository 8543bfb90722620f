"""The HTTP API: typed, documented by OpenAPI, and for this machine only."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import soundfile
from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from affetto import __version__
from affetto.errors import AffettoError
from affetto.io.files import local_copy
from affetto.io.pages import page_template
from affetto.io.paths import as_path
from affetto.recommendation.playlist import Playlist
from affetto.recommendation.voice import Data, LearntFrom, VoiceEmotion
from affetto.recommendation.windows import Window
from affetto.serving.guard import Guard, Rate
from affetto.serving.likes import Likes
from affetto.serving.service import (
    AUDIO,
    Heard,
    LibraryCounts,
    LibraryPage,
    NoLibraryError,
    NoSpeechError,
    Screened,
    Service,
)
from affetto.serving.uploads import Decoder, RefusedError, ServeParameters, private_folder, receive

_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
_JSON_BYTES = 100_000
_KEPT_TRACKS = 20
_PLAYED = {
    **{".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".aac": "audio/aac"},
    **dict.fromkeys((".ogg", ".oga", ".opus"), "audio/ogg"),
    **dict.fromkeys((".m4a", ".mp4"), "audio/mp4"),
    **dict.fromkeys((".webm", ".weba"), "audio/webm"),
}
"""Files that browsers play as they are."""
_AGAIN = {429, 503}


class Problem(Data):
    """Why there is no answer."""

    error: str = Field(description="One sentence.")


class Limits(Data):
    """What is taken of a recording."""

    upload_bytes: int
    duration_s: float


class Health(Data):
    """What the server knows."""

    status: Literal["ok"] = "ok"
    version: str
    voice_model: LearntFrom | None = Field(description="What the model has learnt from.")
    emotions: tuple[str, ...] = Field(description="Emotions of voices.")
    library: LibraryCounts | None = Field(description="Null: none was made yet.")
    bridges: tuple[str, ...]
    limits: Limits


class KnownVoice(BaseModel):
    """The emotions of a voice that was heard before."""

    model_config = ConfigDict(extra="forbid")

    emotions: dict[str, Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]] = Field(
        description="Probabilities; what is left out is 0."
    )


class Thumb(BaseModel):
    """A thumb up or down."""

    model_config = ConfigDict(extra="forbid")

    like: bool = Field(strict=True)


class Thumbs(Data):
    """All thumbs."""

    likes: dict[str, bool] = Field(description="Clip id → up or down.")


class Forgotten(Data):
    """How many thumbs were forgotten."""

    forgotten: int


_RECORDING: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODIES = {"application/octet-stream": _RECORDING, "audio/*": _RECORDING}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": told}
    for status, told in {
        400: "The request or the recording cannot be read.",
        403: "Another page asks.",
        404: "There is no such thing.",
        405: "The address is there for another method.",
        408: "The recording arrives too slowly.",
        413: "It is too large, too long, or takes too much to decode.",
        415: "It is no recording of a voice.",
        416: "The file has no such part.",
        422: "A value is not as it should be, or nobody speaks.",
        429: "Too many requests.",
        500: "The server is at fault; its log tells more.",
        503: "The server is busy, or has no library yet.",
    }.items()
}


def _body(*also: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Describe a body that is read as it comes, for OpenAPI."""
    return {"requestBody": {"required": True, "content": {**_BODIES, **dict(also)}}}


class Hearing:
    """Recordings on their way to an answer: received, decoded, and heard one after the other.

    Parameters
    ----------
    service
        What hears.
    limits
        The limits.
    folder
        Where recordings lie meanwhile.
    """

    def __init__(self, service: Service, limits: ServeParameters, folder: Path) -> None:
        self.service, self.limits, self.folder = service, limits, folder
        (folder / "tracks").mkdir()
        self.decoder = Decoder(limits, service.parameters)
        # TensorFlow works on all cores for one recording: two at once would only wait for each other.
        self._model = ThreadPoolExecutor(1, "model")
        self._under_way = 0

    async def hear(self, request: Request) -> Heard:
        """Receive a recording and hear it."""
        with self._place(), tempfile.TemporaryDirectory(dir=self.folder) as folder:
            upload = Path(folder) / "upload"
            declared = request.headers.get("content-length")
            await receive(request.stream(), upload, self.limits, declared)
            screened = await self.decoder.screen(upload)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._model, self.service.hear, screened)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Take one of the places; raise where all are taken."""
        if self._under_way >= self.limits.queue:
            raise RefusedError("The server is busy: send the recording again in a few seconds.", 503)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def warm_up(self) -> None:
        """Do everything once, so that the first listener does not wait."""
        noise = np.random.default_rng(0).normal(0.0, 0.1, 48_000).astype(np.float32)
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            path = Path(folder) / "upload"
            soundfile.write(path, noise, 16_000, format="WAV")
            asyncio.run(self.decoder.warm_up(path))
            recording = Screened(path, [Window(0.0, 3.0, 3.0, (0.0, 3.0))])
            heard = self._model.submit(self.service.hear, recording).result()
        with suppress(NoLibraryError):
            self.service.recommend(heard, {}, {})

    def close(self) -> None:
        """End all work."""
        self._model.shutdown(cancel_futures=True)
        self.decoder.close()


@contextmanager
def serving(service: Service, limits: ServeParameters, *, page: bool = False) -> Iterator[FastAPI]:
    """Start what hears, and yield the application; all of it ends with the context.

    Parameters
    ----------
    service
        What answers.
    limits
        What it takes of whom, and where thumbs are kept.
    page
        Whether to offer the page for people at `/`.

    Raises
    ------
    AffettoError
        When the file of the thumbs cannot be used.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        likes = stack.enter_context(closing(Likes(Path(limits.likes))))
        hearing = stack.enter_context(closing(Hearing(service, limits, folder)))
        hearing.warm_up()
        app = FastAPI(
            title="Affetto",
            version=__version__,
            summary="Listens to a voice and answers with music that fits.",
            docs_url=None,  # its scripts come from elsewhere
            redoc_url=None,
            responses=_PROBLEMS,
        )
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)
        app.add_middleware(Guard, rate=Rate(limits.requests_per_minute, limits.burst))
        _answer_errors(app)
        _offer_hearing(app, hearing, likes)
        _offer_library(app, hearing)
        _offer_likes(app, service, likes)
        _offer_descriptions(app, hearing)
        if page:
            html = str(files("affetto.serving") / "page")
            app.mount("/", StaticFiles(directory=html, html=True))
        yield app


def _offer_hearing(app: FastAPI, hearing: Hearing, likes: Likes) -> None:
    service = hearing.service

    @app.post("/hear", openapi_extra=_body())
    async def hear(request: Request) -> Heard:
        """Tell the emotion of the voice in a recording over time; its bytes are the body."""
        return await hearing.hear(request)

    known = ("application/json", {"schema": KnownVoice.model_json_schema()})

    @app.post("/recommend", openapi_extra=_body(known))
    async def recommend(
        request: Request,
        bridge: Annotated[str | None, Query(description="Which music answers which voice.")] = None,
        top: Annotated[int | None, Query(ge=1, le=100, description="Number of tracks.")] = None,
        minutes: Annotated[
            float | None, Query(gt=0, le=600, allow_inf_nan=False, description="Length instead, min.")
        ] = None,
        diversity: Annotated[
            float | None, Query(ge=0, le=1, allow_inf_nan=False, description="0: best scores only.")
        ] = None,
        arc: Annotated[bool, Query(description="From the mood of the voice to that of the music.")] = False,
    ) -> Playlist:
        """Answer a recording, or the emotions of a voice that was heard before, with a playlist."""
        wishes = {"bridge": bridge, "top": top, "minutes": minutes, "diversity": diversity, "arc": arc}
        wishes = {name: value for name, value in wishes.items() if value is not None}
        service.require_library()
        voice: VoiceEmotion
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
            voice = service.known_voice((await _read_json(request, hearing.limits)).emotions)
        else:
            voice = await hearing.hear(request)
        return await run_in_threadpool(service.recommend, voice, likes.all(), wishes)


def _offer_library(app: FastAPI, hearing: Hearing) -> None:
    service = hearing.service

    @app.get("/library")
    def library(
        emotion: str | None = None,
        theme: str | None = None,
        search: Annotated[str, Query(max_length=200, description="Part of the title.")] = "",
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> LibraryPage:
        """List tracks."""
        return service.browse(emotion=emotion, theme=theme, search=search, offset=offset, limit=limit)

    @app.get("/library/themes")
    def themes() -> list[dict[str, Any]]:
        """Return the cards of the themes."""
        service.require_library()
        return service.cards

    @app.get(AUDIO + "{clip_id:path}", response_class=FileResponse)
    async def audio(clip_id: str) -> FileResponse:
        """Send the audio of a track, or parts of it."""
        _require_track(service, clip_id)
        root, path = service.track_file(clip_id)
        try:
            file = await run_in_threadpool(local_copy, as_path(root) / path)
        except OSError:
            file = Path()
        if not file.is_file():
            raise RefusedError("The file of this track is not there any more.", 404)
        kind = _PLAYED.get(file.suffix.lower())
        if kind is not None:
            return FileResponse(file, media_type=kind)
        return FileResponse(await _converted(hearing, clip_id, file), media_type="audio/wav")


def _offer_likes(app: FastAPI, service: Service, likes: Likes) -> None:
    @app.get("/likes")
    def all_likes() -> Thumbs:
        """Return all thumbs."""
        return Thumbs(likes=likes.all())

    @app.put("/likes/{clip_id:path}")
    def put_like(clip_id: str, thumb: Thumb) -> Thumb:
        """Keep a thumb up or down; it shifts the next playlist."""
        _require_track(service, clip_id)
        likes.put(clip_id, like=thumb.like)
        return thumb

    @app.delete("/likes")
    def forget_all() -> Forgotten:
        """Forget all thumbs."""
        return Forgotten(forgotten=likes.forget())

    @app.delete("/likes/{clip_id:path}")
    def forget_like(clip_id: str) -> Forgotten:
        """Forget the thumb of a track."""
        return Forgotten(forgotten=likes.forget(clip_id))


def _offer_descriptions(app: FastAPI, hearing: Hearing) -> None:
    service, limits = hearing.service, hearing.limits

    @app.get("/health")
    def health() -> Health:
        """Tell what the server knows, and what it takes."""
        return Health(
            version=__version__,
            voice_model=service.voice_model,
            emotions=service.emotions,
            library=service.counts(),
            bridges=service.bridges,
            limits=Limits(upload_bytes=limits.upload_bytes, duration_s=limits.duration_s),
        )

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def docs() -> str:
        """Show what is above as a page without scripts."""
        return page_template("affetto.serving", "docs.html.j2").render(api=app.openapi())


def _require_track(service: Service, clip_id: str) -> None:
    if not service.has_track(clip_id):
        raise RefusedError("The library has no such track.", 404)


async def _read_json(request: Request, limits: ServeParameters) -> KnownVoice:
    """Read the emotions of a voice; a body that is far too long for them is not."""
    content = b""
    try:
        async with asyncio.timeout(limits.receive_s):
            async for chunk in request.stream():
                content += chunk
                if len(content) > _JSON_BYTES:
                    raise RefusedError("This is too long for the emotions of a voice.", 413)
    except TimeoutError:
        raise RefusedError("The request did not arrive in time: send it again.", 408) from None
    try:
        return KnownVoice.model_validate_json(content)
    except ValidationError as error:
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        ) from None


async def _converted(hearing: Hearing, clip_id: str, file: Path) -> Path:
    """Return a track as WAV; those that were asked for last are kept."""
    name = hashlib.blake2b(clip_id.encode(), digest_size=16).hexdigest()
    target = hearing.folder / "tracks" / f"{name}.wav"
    if not target.exists():
        await hearing.decoder.convert(file, target)
        known = sorted(target.parent.glob("*.wav"), key=lambda path: path.stat().st_mtime_ns)
        for old in known[:-_KEPT_TRACKS]:
            old.unlink(missing_ok=True)
    return target


def _answer_errors(app: FastAPI) -> None:
    """Say every mistake of a client in a sentence."""
    statuses: Mapping[type[Exception], int] = {NoLibraryError: 503, NoSpeechError: 422}

    @app.exception_handler(AffettoError)
    async def refuse(_: Request, error: AffettoError) -> JSONResponse:
        status = error.status if isinstance(error, RefusedError) else statuses.get(type(error), 422)
        return _problem(status, str(error))

    @app.exception_handler(HTTPException)
    async def explain(_: Request, error: HTTPException) -> JSONResponse:
        told = {404: "There is nothing at this address.", 405: "This address is there for another method."}
        return _problem(error.status_code, told.get(error.status_code, str(error.detail)))

    @app.exception_handler(RequestValidationError)
    async def name(_: Request, error: RequestValidationError) -> JSONResponse:
        found = [
            f"{'.'.join(map(str, each['loc'][1:])) or 'the body'}: {each['msg']}" for each in error.errors()
        ]
        return _problem(422, f"Mend {'; '.join(found[:5])}.")


def _problem(status: int, told: str) -> JSONResponse:
    headers = {"Retry-After": "2"} if status in _AGAIN else None
    safe = told.encode("utf-8", errors="replace").decode()
    return JSONResponse({"error": safe}, status, headers)
