"""A node that puts numbers and says each one that is stored, until somebody kills it.

`micropython put_until_killed.py FOLDER FIRST`
"""

import sys

from tidegate_micropython import start

node = start({"journal": {"folder": sys.argv[1], "segment_bytes": 2048}})
number = int(sys.argv[2])
while True:
    node.put("count", number)
    print(number)
    number += 1
