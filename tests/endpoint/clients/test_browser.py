"""MQTT.js in a real browser: a day over WebSocket, with and without TLS."""

import contextlib
import http.server
import json
import queue
import shutil
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest

from endpoint.clients.test_mqttjs import MODULES, require_mqttjs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]

HERE = Path(__file__).parent
BROWSER_S = 60.0
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    # The certificates of these tests are signed by an authority that lives as long as they do.
    "--ignore-certificate-errors",
]


@contextlib.contextmanager
def pages(reports):
    """Serve the page and its scripts; what the page posts goes to `reports`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = urllib.parse.urlsplit(self.path).path.lstrip("/")
            folder = MODULES / "mqtt" / "dist" if name == "mqtt.min.js" else HERE
            if name not in ("browser_day.html", "mqttjs_day.js", "mqtt.min.js"):
                self.send_error(404)
                return
            body = (folder / name).read_bytes()
            self.send_response(200)
            kind = "text/html" if name.endswith(".html") else "text/javascript"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_day_of_a_browser(place, tmp_path, scheme, version):
    require_mqttjs()
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    prefix, reports = place.prefix(), queue.Queue()
    query = {"url": place.url(scheme), "version": version, "prefix": prefix}
    with pages(reports) as url:
        page = f"{url}/browser_day.html?{urllib.parse.urlencode(query)}"
        browser = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={tmp_path}", "--remote-debugging-port=0", page],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            report = reports.get(timeout=BROWSER_S)
        finally:
            browser.terminate()
            browser.wait(BROWSER_S)
    place.check(report, prefix)
