"""What runs on the board during a deployment: small MicroPython programs that print JSON.

Each is the text of a program with its arguments put in front (`with_arguments`); none holds a
secret.  They need what every board with MicroPython 1.24 has.
"""


def with_arguments(program: str, **arguments: object) -> str:
    """Return a program with its arguments as variables: plain values, written as literals."""
    lines = [f"{name} = {value!r}\n" for name, value in arguments.items()]
    return "".join(lines) + program


# What kind of board it is and what room it has.
FACTS = """
import gc, json, os, sys
def importable(name):
    try:
        __import__(name)
        return True
    except ImportError:
        return False
gc.collect()
here = os.getcwd()
disk = os.statvfs(here)
version = list(sys.implementation[1][:3])
print(json.dumps({
    "name": sys.implementation[0],
    "version": version,
    "bytecode": getattr(sys.implementation, "_mpy", 0) & 0xff,
    "machine": getattr(sys.implementation, "_machine", sys.platform),
    "path": list(sys.path),
    "here": here,
    "root": os.listdir(here),
    "block": disk[1],
    "free": disk[1] * disk[3],
    "total": disk[1] * disk[2],
    "heap": gc.mem_free(),
    "wifi": importable("network"),
    "lacking": [name for name in libraries if not importable(name)],
}))
"""

# The hash of every file in some folders, and of some files; what is not there is left out.
INVENTORY = """
import binascii, hashlib, json, os
buffer = memoryview(bytearray(512))
def digest(path):
    state = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                return binascii.hexlify(state.digest()).decode()
            state.update(buffer[:count])
def walk(folder):
    try:
        entries = list(os.ilistdir(folder))
    except OSError:
        return
    for entry in entries:
        path = folder + "/" + entry[0]
        if entry[1] & 0x4000:
            walk(path)
        else:
            tell(path)
def tell(path):
    try:
        print(json.dumps([path, os.stat(path)[6], digest(path)]))
    except OSError:
        pass
for folder in folders:
    walk(folder)
for path in paths:
    tell(path)
"""

# Folders that are missing, outermost first.
FOLDERS = """
import os
for folder in folders:
    try:
        os.mkdir(folder)
    except OSError:
        os.stat(folder)
"""

# From here on it does not need the line: the new files take their places, old ones go.
SWAP = """
import os
for path in paths:
    os.rename(path + suffix, path)
for path in stale:
    os.remove(path)
if hasattr(os, "sync"):
    os.sync()
print("swapped")
"""

REMOVE = """
import os
for path in paths:
    try:
        os.remove(path)
    except OSError:
        pass
"""

# The sketch waits under another name, so that no reset starts it between old and new files.
HOLD = """
import os
names = os.listdir(here or "/")
if "main.py" in names:
    os.rename(here + "/main.py", here + "/main.py" + suffix)
print("main.py" in names)
"""

RELEASE = """
import os
names = os.listdir(here or "/")
if "main.py" + suffix in names:
    if "main.py" in names:
        os.remove(here + "/main.py" + suffix)
    else:
        os.rename(here + "/main.py" + suffix, here + "/main.py")
"""

# The node itself, with a log of its own: what is put is there when it starts anew.  It also says
# where the modules were found, because a firmware or a ROMFS can hide what was copied.
SELF_TEST = """
import gc, json, os, sys
def places():
    found = []
    for name in packages:
        module = __import__(name)
        found.append([name, getattr(module, "__file__", "the firmware")])
    return found
def log_works():
    import tidegate_micropython
    config = {"journal": {"folder": scratch}}
    node = tidegate_micropython.start(config)
    for count in range(9):
        node.put("tidegate/self-test", count)
    node.close()
    node = tidegate_micropython.start(config)
    held = node.status()["streams"][0]["held"]
    node.close()
    return held == 9
def tidy():
    try:
        for name in os.listdir(scratch):
            os.remove(scratch + "/" + name)
        os.rmdir(scratch)
    except OSError:
        pass
sys.path[:] = path
tidy()
gc.collect()
before = gc.mem_free()
error, works, where = "", False, []
try:
    import tidegate_micropython
    where = places()
    works = log_works()
except Exception as failure:
    error = type(failure).__name__ + ": " + str(failure)
tidy()
gc.collect()
disk = os.statvfs(here or "/")
print(json.dumps({
    "where": where,
    "works": works,
    "error": error,
    "heap": gc.mem_free(),
    "taken": before - gc.mem_free(),
    "free": disk[1] * disk[3],
}))
"""
