"""Every configuration key of the hub, as data; see `gateway_schema`."""

from tidegate.config.checks import (
    check_database,
    check_environment,
    check_listener,
    check_name,
    check_token,
    check_token_hash,
)
from tidegate.config.schema import (
    BYTES,
    INTEGER,
    Table,
    hushed,
    number,
    path,
    secret,
    table,
    table_list,
    text,
    url,
)
from tidegate.limits import BATCH_BYTES_MAX

NODES_MAX = 10_000  # Among so many tokens a hub still finds one at once.

NODE = table_list(
    "node",
    1,
    NODES_MAX,
    (
        text("name", None, "the name of the node", check_name, "site-7"),
        secret(
            "token",
            "",
            "the token that the node sends; make one with: openssl rand -hex 32",
            check_token,
        ),
        path("token_file", "", "a file whose content is the token", "site-7.token"),
        hushed("token_env", "an environment variable that holds it", check_environment),
        hushed(
            "token_hash",
            "instead of a random token, sha256: and its SHA-256 in hex; the token stands nowhere",
            check_token_hash,
        ),
    ),
    "who may send; write [[hub.node]] again for each further one",
)

_MAIN = table(
    "hub",
    (
        url("url", "http://127.0.0.1:8080", ("http",), "where to listen", check_listener),
        secret(
            "database",
            "sqlite:///hub.db",
            "an SQLAlchemy URL of SQLite or PostgreSQL; the path begins where the hub is started",
            check_database,
        ),
        number(
            "batch_bytes_max",
            BYTES,
            BATCH_BYTES_MAX,
            1024,
            BATCH_BYTES_MAX,
            "the largest request that is read; a node splits what is larger",
        ),
        number(
            "requests_per_s",
            INTEGER,
            200,
            0,
            1_000_000,
            "how many requests a node may make in a second; 0: no limit",
        ),
    ),
    "the receiver",
    (NODE,),
)

HUB: Table = table("", (), "a hub", (_MAIN,))
