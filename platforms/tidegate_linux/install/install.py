"""`tidegate install`: put the one binary on a host without packages, or into an image's folder.

The order is that of the need: the user before what it owns, everything before what starts it.  What
the owner of the host has written, the configuration and the data, is never touched; what came with
the program is brought back to what it was.
"""

import os
from functools import partial
from pathlib import Path

import click

from tidegate_linux.build_info import build_info
from tidegate_linux.durable import Owner
from tidegate_linux.install.errors import InstallError
from tidegate_linux.install.layout import (
    CONFIG_FOLDER_MODE,
    CONFIG_MODE,
    DATA_MODE,
    FOLDER_MODE,
    PACKAGE,
    PROGRAM_MODE,
    TEXT_MODE,
    USER,
    Layout,
)
from tidegate_linux.install.parts import CONFIG_FIRST, SELECT, part
from tidegate_linux.install.program import Program, find_program
from tidegate_linux.install.services import service_of
from tidegate_linux.install.steps import (
    Step,
    check_inside,
    file_step,
    first_file_step,
    folder_step,
    link_step,
    take,
)
from tidegate_linux.install.texts import shared_texts
from tidegate_linux.install.users import add_user, owner_in, user_files


def run_install(
    commands: click.Group, given: Path | None, root: Path, is_dry: bool, is_to_start: bool
) -> None:
    """Install the program at `given`, by default the running one; raise `InstallError`."""
    layout = Layout(root)
    check_place(layout, is_dry)
    program = find_program(given, layout)
    service = service_of(layout)
    steps = [
        *_program_steps(layout, program),
        *_text_steps(commands, layout),
        *service.steps(),
        *(service.start_steps() if is_to_start else []),
    ]
    check_inside(steps, layout.root)
    _check_installed(layout, program)
    if not take(steps, is_dry):
        click.echo(f"{program.name} is installed, nothing had to be done")
    elif not is_dry:
        click.echo(f"{program.name} is installed; {service.tells()}")
        click.echo(f"its configuration is {layout.config}; after a change: tidegate check")


def check_place(layout: Layout, is_dry: bool) -> None:
    """Refuse what cannot be installed to, or removed from, here."""
    if not layout.root.is_dir():
        raise InstallError(f"{layout.root} is no folder", "name the root of an image with --root")
    if not is_dry and os.geteuid() != 0:
        raise InstallError("only root may do that", "run it with sudo, or look with --dry-run")
    if layout.follow(PACKAGE).exists():
        raise InstallError(
            f"the Debian package of tidegate is installed ({layout.package})",
            "apt install and apt remove are its way; do not mix the two",
        )


def _check_installed(layout: Layout, program: Program) -> None:
    """Refuse to switch what is installed: that is for `tidegate update`, which can go back."""
    if layout.has_foreign_command:
        what = f"{layout.command} is there, and tidegate install has not made it"
        raise InstallError(what, "move it elsewhere, or take it away")
    if not layout.current.exists():
        return
    installed = layout.current.resolve()
    if installed.name == program.name and installed.read_bytes() == program.path.read_bytes():
        return
    if installed.name == program.name:
        what = f"another build of {installed.name} is installed"
    else:
        what = f"{installed.name} is installed, and this is {program.name}"
    hint = (
        "tidegate update FILE changes it and can go back; or tidegate uninstall, which keeps data"
    )
    raise InstallError(what, hint)


def _program_steps(layout: Layout, program: Program) -> list[Step]:
    owner = partial(owner_in, layout)

    def group() -> Owner | None:
        found = owner()
        return None if found is None else Owner(0, found.gid)

    return [
        Step(
            f"add the user {USER}",
            lambda: owner() is not None,
            lambda: add_user(layout),
            user_files(layout),
        ),
        folder_step(layout.data, DATA_MODE, owner),
        folder_step(layout.config_folder, CONFIG_FOLDER_MODE, group),
        first_file_step(layout.config, part(CONFIG_FIRST), CONFIG_MODE, group),
        folder_step(layout.home, FOLDER_MODE),
        folder_step(layout.versions, FOLDER_MODE),
        folder_step(layout.keys, FOLDER_MODE),
        file_step(layout.version(program.name), program.path.read_bytes(), PROGRAM_MODE),
        file_step(layout.select, part(SELECT), PROGRAM_MODE),
        link_step(layout.current, f"versions/{program.name}"),
        link_step(layout.command, layout.command_target),
    ]


def _text_steps(commands: click.Group, layout: Layout) -> list[Step]:
    texts = shared_texts(commands, build_info().date[:10])
    return [file_step(layout.shared / name, text, TEXT_MODE) for name, text in texts.items()]
