"""Tidegate on a host without packages: its layout there, `tidegate install` and `uninstall`.

layout      where everything lies, on this host or in the folder of an image
durable     files, links and folders that a power cut leaves whole or absent
steps       what leads a host to a state, and may be repeated
program     which program is installed, and what it says of itself
users       the user of the service
services    who starts it: systemd, OpenRC, BusyBox, or nobody
parts       what comes with the program from packaging/: unit, scripts, configuration
texts       what people read and shells use, in the Debian package too
completions what lets shells complete the commands
manual      the manual page, made from the commands' help
install, uninstall      the commands
"""
