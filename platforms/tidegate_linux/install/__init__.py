"""Tidegate on a host without packages: its layout there, `tidegate install` and `uninstall`.

layout      where everything lies, on this host or in the folder of an image
durable     files, links and folders that a power cut leaves whole or absent
program     which program is installed, and what it says of itself
users       the user of the service
services    who starts it: systemd, OpenRC, BusyBox, or nobody
parts       the texts that come with the program: unit, scripts, configuration
manual      the manual page, made from the commands' help
install, uninstall      the commands
"""
