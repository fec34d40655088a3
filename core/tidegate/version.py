"""The version of this distribution, in the one place from which the build, the command and a small node read it.

File formats and the wire have versions of their own: they change far more rarely than the program.
"""

VERSION = "0.1.0"
