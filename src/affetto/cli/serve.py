"""`affetto serve` and `affetto app`: model and library on this machine, for programs and for people."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import webbrowser
from typing import Any

import click

from affetto.cli.output import ENV, FROM_LIBRARY, VOICE_MODEL, examples, with_options
from affetto.cli.project import project, project_catalog
from affetto.cli.trained import environment
from affetto.errors import AffettoError

_HOST = "127.0.0.1"


_of_servers = with_options(
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8321,
        show_default=True,
        help="Port; 0: a free one.",
    ),
    VOICE_MODEL,
    ENV,
    FROM_LIBRARY,
)
"""Options of all that serve."""


@click.command(
    epilog=examples(
        "affetto serve",
        "affetto serve --port 9000 --library",
        "curl --data-binary @memo.m4a http://127.0.0.1:8321/hear",
    )
)
@_of_servers
def serve(**options: Any) -> None:
    """Answer over HTTP on this machine, until Ctrl-C; /docs tells how to ask."""
    _serve(page=False, **options)


@click.command(epilog=examples("affetto app", "affetto app --library", "affetto app --no-browser"))
@_of_servers
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def app(no_browser: bool, **options: Any) -> None:
    """Open a page in the browser that listens and answers with music, until Ctrl-C."""
    _serve(page=True, browser=not no_browser, **options)


def _serve(
    *, page: bool, port: int, model: str | None, env: str | None, from_library: bool, browser: bool = False
) -> None:
    import uvicorn

    with project():
        chosen = environment(model, env)
    with project_catalog(chosen) as catalog, _listen(port) as listening:
        from affetto.serving.api import serving
        from affetto.serving.guard import head_within

        address = f"http://{_HOST}:{listening.getsockname()[1]}"
        click.echo(f"Affetto gets ready at {address}{'' if page else '/docs'} (Ctrl-C ends it).")
        ready = chosen is None and not os.environ.get("KEDRO_ENV")
        service, limits = _read(catalog, ready=ready, from_library=from_library)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # what is left is cleared away first
        with contextlib.suppress(KeyboardInterrupt), serving(service, limits, page=page) as application:
            options: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
            options["http"] = head_within(limits.receive_s)
            # A client may not say where it comes from, as it is counted by that.
            server = uvicorn.Server(uvicorn.Config(application, proxy_headers=False, **options))
            if browser:
                threading.Thread(target=_open, args=(server, address), daemon=True).start()
            server.run(sockets=[listening])


def _listen(port: int) -> socket.socket:
    """Take the port at once, so that one that is taken is told in a sentence."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
    except OSError as error:
        listening.close()
        raise AffettoError(
            f"Port {port} cannot be had ({error.strerror}): give another with --port."
        ) from error
    return listening


def _open(server: Any, address: str) -> None:
    while not server.started:
        if server.should_exit:
            return
        threading.Event().wait(0.1)
    webbrowser.open(address)


def _read(catalog: Any, *, ready: bool, from_library: bool) -> tuple[Any, Any]:
    """Read the model, the library and the parameters of an environment; return the service and its limits."""
    from affetto.models.estimator import load_estimator
    from affetto.pipelines.model_table import current_setup
    from affetto.recommendation.parameters import RecommendParameters
    from affetto.serving.service import Service
    from affetto.serving.uploads import ServeParameters

    name = "ready.voice_model" if ready else f"voice.emotion.{current_setup().proposed('voice')}.model"
    music = "library.library" if from_library else "music.library"
    command = "affetto library FOLDER" if from_library else "kedro run --pipeline=theme"
    library = catalog.load(music) if catalog.exists(music) else None
    service = Service(
        load_estimator(catalog.load(name)),
        RecommendParameters.model_validate(catalog.load("params:recommend")),
        catalog.load("params:taxonomy"),
        library,
        f"There is no library to choose from yet: run `{command}`, then start the server again.",
    )
    return service, ServeParameters.model_validate(catalog.load("params:serve"))
