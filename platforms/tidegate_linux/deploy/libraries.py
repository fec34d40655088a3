"""Libraries of others that a node imports: which a board lacks, and where their files come from.

Many firmwares have them built in.  Where one is missing it is taken from what the user names (a
folder, a source archive, a wheel): this machine need not have a network, and a board has none yet.
"""

import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from tidegate.config.node_settings import HTTP, NodeSettings
from tidegate_linux.deploy.errors import DeployError

FILE_BYTES_MAX = 100_000  # Ten times the largest of them.


def modules_needed(libraries: list[str], settings: NodeSettings) -> list[str]:
    """Return the modules that a node with these settings will import; they are called the same."""
    is_idle = {
        "umqtt.simple": settings.uplink is None or settings.uplink.type == HTTP,
        "ntptime": settings.wifi is None or not settings.board.ntp_host,
    }
    return [name for name in libraries if not is_idle.get(name, False)]


def library_files(lacking: list[str], sources: list[Path], port: str) -> dict[str, bytes]:
    """Return name below the library folder -> content for each module; raise `DeployError`."""
    files = {}
    for module in lacking:
        stem = module.replace(".", "/")
        for source in sources:
            found = _find(source, stem)
            if found is not None:
                suffix, content = found
                files[stem + suffix] = content
                break
        else:
            hint = (
                f"with a network: mpremote connect {port} mip install {module}; "
                "without: name its folder, source archive or wheel with --library"
            )
            raise DeployError(f"the board lacks the library {module}", hint)
    return files


def _find(source: Path, stem: str) -> tuple[str, bytes] | None:
    """Return the suffix and the content of a module in one source."""
    try:
        members = _members(source)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = f"{source}: cannot be read: {reason.lower()}"
        raise DeployError(what, "name a folder, a .tar.gz or a .whl") from None
    for suffix in (".mpy", ".py"):
        wanted = PurePosixPath(stem + suffix)
        for name, content in sorted(members.items()):
            # At the end of a path: archives have a folder with name and version around it.
            if PurePosixPath(name).parts[-len(wanted.parts) :] == wanted.parts:
                return suffix, content
    return None


def _members(source: Path) -> dict[str, bytes]:
    if source.is_dir():
        paths = [path for path in source.rglob("*") if path.suffix in (".py", ".mpy")]
        return {
            path.relative_to(source).as_posix(): path.read_bytes()
            for path in paths
            if path.stat().st_size <= FILE_BYTES_MAX
        }
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            return {
                entry.filename: archive.read(entry)
                for entry in archive.infolist()
                if not entry.is_dir() and entry.file_size <= FILE_BYTES_MAX
            }
    found = {}
    with tarfile.open(source) as archive:
        for entry in archive:
            file = archive.extractfile(entry) if entry.isfile() else None
            if file is not None and entry.size <= FILE_BYTES_MAX:
                found[entry.name] = file.read()
    return found
