"""What could lose data on a Raspberry Pi: its name, its supply, its card.

Says what can be seen and what follows from it.  Nothing is said of the file system's own commit
interval: a commit of ours is synced, whatever that interval is.
"""

from pathlib import Path

from tidegate.config.settings import GatewaySettings
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING, Finding
from tidegate_linux.status.status import size
from tidegate_pi.medium import Mount, card_of, mount_of
from tidegate_pi.sensors import Sensors, warnings_of
from tidegate_pi.tree import read_identity, read_number, read_text

# What every Raspberry Pi is called at first, and what a machine without a name is.
_USUAL_NAMES = ("raspberrypi", "localhost")
# Without so much free space on its root file system a machine may not start again.
ROOT_RESERVE_BYTES_MIN = 100_000_000
LIFE_TENTHS_MAX = (
    10  # life_time (JEDEC eMMC 5.0): n says that n tenths are used up, 11 that all is.
)
LIFE_TENTHS_WARNED = 9


def check_board(settings: GatewaySettings, root: Path) -> list[Finding]:
    """Look at the board that the gateway is to run on."""
    identity = read_identity(root)
    model, serial = identity.model or "of unknown model", identity.serial or "unknown"
    findings = [Finding(INFO, f"{model}, serial number {serial}", "")]
    findings += _name(settings.node.name, identity.serial)
    findings += [Finding(WARNING, line, "") for line in warnings_of(Sensors(root).read())]
    folder = Path(settings.node.data)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    mount, card = mount_of(folder, root), card_of(folder, root)
    if mount is not None:
        findings += _mount(mount, card, settings.journal.reserve_bytes)
    if card:
        findings += _swap(root) + _life(root / "sys/block" / card / "device", card)
    return findings


def _name(name: str, serial: str) -> list[Finding]:
    if name not in _USUAL_NAMES:
        return []
    what = f'its name is "{name}", as that of many others: at one broker two of them take each'
    own = f"pi-{serial[-8:]}" if serial else "site-7"
    return [Finding(WARNING, f"{what} other's session", f'for example node.name = "{own}"')]


def _mount(mount: Mount, card: str, reserve_bytes: int) -> list[Finding]:
    findings = []
    if "nobarrier" in mount.options or "barrier=0" in mount.options:
        what = f"{mount.point} is mounted with nobarrier: a power cut takes what was acknowledged"
        findings.append(Finding(ERROR, what, "take nobarrier out of /etc/fstab"))
    if card and not {"noatime", "relatime", "ro"} & set(mount.options):
        what = f"{mount.point} notes each time that a file is read, which wears the card"
        findings.append(Finding(WARNING, what, "write noatime into its line in /etc/fstab"))
    if mount.point == "/" and reserve_bytes < ROOT_RESERVE_BYTES_MIN:
        what = "the journal shares the root file system and leaves it"
        what += f" {size(reserve_bytes)}: a board whose root is full may not start again"
        hint = f"journal.reserve_bytes = {ROOT_RESERVE_BYTES_MIN:_} or more, or another partition"
        findings.append(Finding(WARNING, what, hint))
    return findings


def _swap(root: Path) -> list[Finding]:
    for line in read_text(root / "proc/swaps").splitlines()[1:]:
        place, kind = [*line.split(), "", ""][:2]
        # zram is memory; a swap file of Raspberry Pi OS is /var/swap, on the card.
        if kind == "file" or place.startswith("/dev/mmcblk"):
            what = f"memory is swapped to the card ({place}), which wears it and slows commits"
            return [Finding(WARNING, what, "switch it off, or swap to zram")]
    return []


def _life(device: Path, card: str) -> list[Finding]:
    """Look at what an eMMC says of its wear; SD cards say nothing."""
    words = read_text(device / "life_time").split()
    tenths = max((_hex(word) for word in words), default=0)
    reserve = read_number(device / "pre_eol_info", 16) or 0
    if tenths > LIFE_TENTHS_MAX or reserve >= 3:
        what = f"{card} says that it is worn out: it may become read-only, or forget"
        return [Finding(ERROR, what, "replace it, and copy the data folder first")]
    if tenths >= LIFE_TENTHS_WARNED or reserve == 2:
        what = f"{card} says that up to {tenths * 10} % of its life are used up"
        if reserve == 2:
            what = f"{card} says that most of its spare blocks are used up"
        return [Finding(WARNING, what, "plan to replace it")]
    if tenths:
        return [
            Finding(INFO, f"{card} says that up to {tenths * 10} % of its life are used up", "")
        ]
    return []


def _hex(word: str) -> int:
    try:
        return int(word, 16)
    except ValueError:
        return 0
