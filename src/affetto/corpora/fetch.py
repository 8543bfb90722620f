"""Fetch the files of a corpus whose licence lets everyone download them.

`pooch` compares checksums and unpacks; what it lacks, going on where a download was cut off, is here.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from affetto.corpora.sources.source import Download, Source
from affetto.errors import AffettoError, first_line
from affetto.io.files import PARTIAL_SUFFIX
from affetto.io.workers import bar_interval_s

logger = logging.getLogger(__name__)

DOWNLOAD_FOLDER = ".downloads"
_ARCHIVE = ".zip"
_CHUNK_BYTES = 1 << 15  # a piece that is cut off is lost
_TIMEOUT_S = (10.0, 60.0)  # to connect, and between two pieces
_ATTEMPTS, _PAUSE_S = 5, 1.0  # without any progress; the pause doubles from one to the next
_RESUMED = 206
_BEYOND_END = 416
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class Fetched(NamedTuple):
    """What fetching brought: files unpacked, and those left because the folder holds another of the name."""

    written: int
    different: tuple[str, ...]


def fetch_source(source: Source, folder: Path) -> Fetched:
    """Download the files of a corpus, check them, and unpack archives.

    What is there with the right checksum is not downloaded again, what was cut off goes on, and no file that
    was there before is changed or removed.

    Parameters
    ----------
    source
        The corpus.
    folder
        Where; made where it is missing. Archives are kept in its folder `.downloads`.

    Raises
    ------
    AffettoError
        When there is nothing to fetch, a file is not to be had or not the published one, or the disk is full.
    """
    check_fetchable(source)
    written, different = 0, tuple[str, ...]()
    try:
        for download in source.downloads:
            file = _retrieve(download, folder)
            if file.suffix == _ARCHIVE:
                unpacked = unpack(file, folder)
                written += unpacked.written
                different += unpacked.different
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise AffettoError(
            f"Cannot write below {folder} ({error.strerror or error}): "
            f"{'make room' if full else 'choose a folder that can be written'} and run the same command "
            "again; what has arrived is kept."
        ) from error
    return Fetched(written, different)


def check_fetchable(source: Source) -> None:
    """Make sure that a corpus has something to download.

    Raises
    ------
    AffettoError
        When it has not; says where to get it.
    """
    if not source.home_page:
        raise AffettoError(f"{source.name} is no published corpus: there is nothing to fetch.")
    if not source.downloads:
        raise AffettoError(
            f"{source.title} cannot be fetched by a command (licence: {source.licence}): get it from "
            f"{source.home_page}, then run `affetto corpora check {source.name} ROOT`."
        )


def unpack(archive: Path, folder: Path) -> Fetched:
    """Unpack a zip archive below a folder; what is there already stays as it is.

    Files are unpacked beside the archive and moved when all are whole. Names that point out of the folder are
    cut to what lies inside it, as `zipfile` does.

    Raises
    ------
    AffettoError
        When the archive is damaged or locked by a password.
    """
    import pooch

    scratch = archive.with_name(archive.name + pooch.Unzip().suffix)
    shutil.rmtree(scratch, ignore_errors=True)  # of a call that was stopped
    written, different = 0, []
    logger.info("unpacking %s", archive)
    try:
        for unpacked in map(Path, pooch.Unzip()(str(archive), "download", None)):
            inside = unpacked.relative_to(scratch)
            target = folder / inside
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                unpacked.replace(target)
                written += 1
            elif target.stat().st_size != unpacked.stat().st_size:
                different.append(inside.as_posix())
    # What zipfile raises for damaged archives, and for what it cannot read, such as a password.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise AffettoError(
            f"{archive} is damaged or locked ({first_line(error)}): delete it and fetch it again, or unpack "
            "it by hand."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Fetched(written, tuple(sorted(different)))


def _retrieve(download: Download, folder: Path) -> Path:
    """Return the file of a download, which is fetched unless it is there."""
    import pooch

    name = Path(unquote(urlsplit(download.url).path)).name
    target = (folder / DOWNLOAD_FOLDER if name.endswith(_ARCHIVE) else folder) / name
    algorithm, _, digest = download.checksum.partition(":")
    if target.exists():
        if pooch.file_hash(str(target), alg=algorithm) == digest:
            return target
        raise AffettoError(
            f"{target} is there, but is not what {download.url} should be: move it away and fetch again."
        )
    pooch.get_logger().setLevel(logging.WARNING)
    downloader = partial(_download, arrived=target.with_name(name + PARTIAL_SUFFIX))
    try:
        pooch.retrieve(download.url, download.checksum, name, target.parent, downloader=downloader)
    except ValueError as error:  # of a checksum; what was downloaded is deleted by then
        raise AffettoError(
            f"{download.url} is not the file that was published ({download.checksum} is its checksum), so it "
            "was deleted: fetch it again, or get the corpus from its home page."
        ) from error
    return target


def _download(url: str, output_file: str, _pooch: object, *, arrived: Path) -> None:
    """Download a file for `pooch.retrieve`: what has arrived is kept, and the server is asked for the rest.

    Whether the parts belong together is told by the checksum, which `pooch` compares at the end.
    """
    import requests

    failed = 0
    while True:
        before = _size(arrived)
        try:
            _receive(url, arrived)
            break
        except requests.RequestException as error:
            failed = 0 if _size(arrived) > before else failed + 1
            if failed >= _ATTEMPTS:
                raise AffettoError(
                    f"{url} cannot be downloaded: {_reason(error)}; what has arrived is kept, run the same "
                    "command again to go on."
                ) from error
            logger.info("%s: %s; trying again", url, _reason(error))
            time.sleep(_PAUSE_S * 2 ** max(failed - 1, 0))
    arrived.replace(output_file)


def _receive(url: str, arrived: Path) -> None:
    """Append what is missing; from the beginning where the server knows no ranges."""
    import requests
    from tqdm import tqdm

    start = _size(arrived)
    # As it is: lengths and ranges then count the bytes of the file, not those of its gzip.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        said = f"the server answers {response.status_code} {response.reason}"
        if start and response.status_code == _BEYOND_END:  # nothing is missing
            return
        if response.status_code in _PASSING:
            raise requests.ConnectionError(said)
        if not response.ok:
            raise AffettoError(f"{url} cannot be downloaded: {said}; get the corpus from its home page.")
        start = start if response.status_code == _RESUMED else 0
        length = response.headers.get("Content-Length")
        bar = tqdm(
            desc=arrived.stem,
            initial=start,
            total=start + int(length) if length else None,
            unit="B",
            unit_scale=True,
            dynamic_ncols=True,
            mininterval=bar_interval_s(),
        )
        with bar, arrived.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))


def _size(arrived: Path) -> int:
    return arrived.stat().st_size if arrived.is_file() else 0


def _reason(error: BaseException) -> str:
    """Return the innermost reason of a network error, without the addresses of Python objects."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
