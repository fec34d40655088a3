"""Where Tidegate lies on a host without packages, for `tidegate install` and `tidegate update`.

    /usr/local/lib/tidegate/     root's; the user of the service cannot write here
        versions/tidegate-1.2.0-linux-glibc236-amd64     programs, one file each
        current -> versions/…    what the service starts
        previous -> versions/…   what it started before the last update
        trial                    there while `current` has not proved itself
        result                   how the last trial ended
        lock                     held by an update that is at work
        keys/                    the keys that the owner adds to those in the program
        select                   run as root before every start: puts `previous` back if need be
        keep                     starts it and starts it again, where no systemd does
    /usr/local/bin/tidegate -> ../lib/tidegate/current
    /etc/tidegate/gateway.toml   root's, read by the service's group
    /var/lib/tidegate            the service's own

Both links are relative, so that the tree means the same below the folder of an image.
"""

from pathlib import Path

USER = "tidegate"
DATA = "/var/lib/tidegate"
# The Debian package's program: where it is, neither install nor update has any business.
PACKAGE = "/usr/lib/tidegate/tidegate"
FOLDER_MODE = 0o755
PROGRAM_MODE = 0o755
TEXT_MODE = 0o644
# Tokens lie here: nobody's business but root's and the gateway's.
CONFIG_FOLDER_MODE = 0o750
CONFIG_MODE = 0o640
DATA_MODE = 0o700
_LINKS_MAX = 16


class Layout:
    """The paths below the root of this host, or of an image that is being made."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.home = root / "usr/local/lib/tidegate"
        self.versions = self.home / "versions"
        self.current = self.home / "current"
        self.previous = self.home / "previous"
        self.trial = self.home / "trial"
        self.result = self.home / "result"
        self.lock = self.home / "lock"
        self.keys = self.home / "keys"
        self.select = self.home / "select"
        self.keep = self.home / "keep"
        self.command = root / "usr/local/bin/tidegate"
        self.command_target = "../lib/tidegate/current"
        self.shared = root / "usr/local/share"
        self.config_folder = root / "etc/tidegate"
        self.config = self.config_folder / "gateway.toml"
        self.data = root / DATA.lstrip("/")
        self.unit = root / "etc/systemd/system/tidegate.service"
        self.package = root / PACKAGE.lstrip("/")

    @property
    def is_host(self) -> bool:
        """Tell whether this is the running host, where services start and stop."""
        return self.root.resolve() == Path("/")

    @property
    def has_foreign_command(self) -> bool:
        """Tell whether what people call `tidegate` here is somebody else's."""
        if not self.command.is_symlink():
            return self.command.exists()
        ours = (self.command_target, "/usr/local/lib/tidegate/current")
        return str(self.command.readlink()) not in ours

    def version(self, name: str) -> Path:
        """Return where the program called `name` lies."""
        return self.versions / name

    def follow(self, name: str) -> Path:
        """Return where `name` leads to when links are followed as the image itself would."""
        place, left, links = self.root, list(Path(name.lstrip("/")).parts), 0
        while left:
            part = left.pop(0)
            step = place / part
            if part == "..":
                place = place if place == self.root else place.parent
            elif not step.is_symlink():
                place = step
            elif (links := links + 1) <= _LINKS_MAX:
                target = step.readlink()
                place = self.root if target.is_absolute() else place
                left = [each for each in target.parts if each != "/"] + left
        return place
