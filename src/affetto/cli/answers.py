"""`affetto hear`, `affetto recommend` and `affetto library`: answers about recordings and music."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import click

from affetto.cli.output import (
    ENV,
    FROM_LIBRARY,
    JSON,
    VOICE_MODEL,
    echo_json,
    echo_table,
    examples,
    with_options,
)
from affetto.cli.project import project, run_pipeline
from affetto.cli.trained import environment
from affetto.io.paths import absolute, as_path, as_text
from affetto.recommendation.library import library_sentence

_SHARE = click.FloatRange(0.0, 1.0)
_FILE = click.Path(path_type=Path)


_of_voices = with_options(
    click.argument("path", type=_FILE),
    click.option(
        "--unsure-below",
        type=_SHARE,
        help="Mark an answer unsure when no emotion is at least this likely.",
    ),
    click.option(
        "--enrol",
        type=_FILE,
        help="A few recordings of the same person, without labels: a folder or a file.",
    ),
    VOICE_MODEL,
    ENV,
    JSON,
)
"""Argument and options of all that listen to recordings."""


@click.command(
    epilog=examples(
        "affetto hear memo.m4a",
        "affetto hear recordings/ --json",
        "affetto hear memo.m4a --model mine --enrol others-of-the-same-person/",
    )
)
@_of_voices
def hear(as_json: bool, **options: Any) -> None:
    """Tell the emotion of a voice recording, or a folder of them, over time.

    Without --model and --env the ready voice model hears.
    """
    outputs = _answer("hear", **options)
    if as_json:
        results = outputs["hear.voices"].load().values()
        echo_json([result.voice.model_dump(mode="json") for result in results])
    else:
        click.echo(outputs["hear.summary"].load())


@click.command(
    epilog=examples(
        "affetto recommend memo.m4a",
        "affetto recommend memo.m4a --bridge congruent --top 5",
        "affetto recommend memo.m4a --bridge uplift --minutes 30 --arc",
        "affetto recommend recordings/ --library --json",
    )
)
@_of_voices
@click.option("--bridge", help="Bridge from voice to music emotions, such as congruent or uplift.")
@click.option("--top", type=click.IntRange(min=1), help="Number of tracks.")
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), help="Length in minutes, instead of a number."
)
@click.option(
    "--arc/--no-arc", default=None, help="Order tracks from the mood of the voice to that of the bridge."
)
@click.option("--diversity", type=_SHARE, help="0: best scores only, 1: as varied as possible.")
@click.option(
    "--theme", "preferred_themes", multiple=True, help="Theme to favour; may be given several times."
)
@FROM_LIBRARY
def recommend(from_library: bool, as_json: bool, preferred_themes: tuple[str, ...], **options: Any) -> None:
    """Answer a voice recording, or a folder of them, with playlists (M3U8, XSPF and JSON)."""
    pipeline = "recommend_library" if from_library else "recommend"
    outputs = _answer(pipeline, preferred_themes=list(preferred_themes) or None, **options)
    if as_json:
        playlists = outputs["recommend.playlists"].load().values()
        echo_json([playlist.model_dump(mode="json") for playlist in playlists])
    else:
        click.echo(outputs["recommend.summary"].load())


@click.command(
    epilog=examples(
        "affetto library ~/Music",
        "affetto library ~/Music --tags          # also in copies of the files",
        "affetto library s3://bucket/music --json",
    )
)
@click.argument("path")
@click.option("--tags", is_flag=True, help="Also write tags into copies of the files.")
@click.option("--model", help="Model that `affetto train --side music` made.")
@ENV
@JSON
def library(path: str, tags: bool, model: str | None, env: str | None, as_json: bool) -> None:
    """Tell emotion, theme and highlight of every track in a folder of music, here or at an address."""
    corpus = {"source": "library", "root": as_text(absolute(as_path(path)))}
    with project():
        wanted = {"library": {"corpus": corpus, "export": {"write_tags": tags}}}
        described = _run("library", environment(model, env), wanted)
        summary = described["library.summary"].load()
        folder = Path(str(getattr(described["library.tracks_csv"], "_filepath", ""))).parent
        if as_json:
            echo_json({**summary, "folder": str(folder)})
            return
        click.echo(library_sentence(summary))
        found = sorted(summary["themes"].values(), key=lambda theme: (theme["emotion"], -theme["tracks"]))
        rows = [(theme["tracks"], theme["name"]) for theme in found if theme["tracks"]]
        echo_table(("tracks", "theme"), rows, numbers=("tracks",))
        copies = ", tagged (copies of the files with tags)" if tags else ""
        click.echo(
            f"Written to {folder}: tracks.csv (a row a track), audit.html (what was set aside){copies}"
        )


def _answer(
    pipeline: str, path: Path, enrol: Path | None, model: str | None, env: str | None, **given: Any
) -> Any:
    """Listen to recordings with the model that is named; return what the pipeline made."""
    given |= {"voice": str(path.absolute()), "enrol": enrol and str(enrol.absolute())}
    wanted = {key: value for key, value in given.items() if value is not None}
    with project():
        chosen = environment(model, env)
        if chosen is None and not os.environ.get("KEDRO_ENV"):
            wanted["ready_model"] = True  # what was trained in the project replaces nothing
        return _run(pipeline, chosen, {"recommend": wanted})


def _run(pipeline: str, env: str | None, parameters: dict[str, Any]) -> Any:
    logging.getLogger("affetto.pipelines").setLevel(logging.WARNING)
    return run_pipeline(pipeline, env, parameters)
