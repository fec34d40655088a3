"""The version of this distribution: the build, the command and a small node all read it here.

File formats and the wire have versions of their own, which change far more rarely.
"""

VERSION = "0.1.0"
