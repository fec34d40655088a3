"""Updates that cannot brick: a release file is verified, tried, and kept only if it proves itself.

release_file    the file's format: manifest, signature, payload; read as a stream
keys            whose signatures count
fetch           a release file from a path or a URL, as a stream
fitness         whether a release may follow the program that runs, here
trial           what is on trial, how it is doing and how the last one ended, as small text files
onefile         how a program in one file is put beside the running one and switched to
smoke           whether the new program answers before it is switched to
proof           the attendant of a gateway on trial: it writes down what it has proved
supervision     how the service is restarted, and how the proof is waited for
update          the command

All but `onefile` and `smoke` know nothing of how the program lies on the disk: an appliance, which
switches differently, takes the same file, keys and fitness.
"""
