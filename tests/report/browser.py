"""A headless Chromium that opens one page at a time, spoken to in the DevTools protocol through a pipe.

    with Browser(program) as browser:
        browser.open(file)
        browser.evaluate("document.title")
"""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from pathlib import Path

PROGRAMS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]


def find_browser() -> str | None:
    """The one that ONEMASK_BROWSER names, or the first that is installed."""
    return os.environ.get("ONEMASK_BROWSER") or next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """Keeps the errors of the page and its requests, but for those of the page itself and of data in links."""

    def __init__(self, program: str, patience: float = 60):
        self.patience = patience
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self.ours_out = os.pipe()
        self.ours_in, theirs_out = os.pipe()
        # The browser reads from file 3 and writes into file 4.
        words = [program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-first-run", "--disable-background-networking", f"--user-data-dir={self.folder.name}", "about:blank"]  # fmt: skip
        shell = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "browser", *words], pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.number, self.session = b"", 0, ""
        self.events: list[dict] = []
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.send(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()
        os.close(self.ours_out)
        os.close(self.ours_in)
        self.folder.cleanup()

    def receive(self) -> dict:
        deadline = time.monotonic() + self.patience
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.ours_in], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(self.ours_in, 1 << 20) if ready else b""
            if not part:
                raise TimeoutError(f"The browser says nothing for {self.patience} s, or has ended.")
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def note(self, message: dict) -> None:
        name, of = message.get("method"), message.get("params", {})
        self.events.append(message)
        if name == "Runtime.exceptionThrown":
            self.errors.append(of["exceptionDetails"].get("exception", {}).get("description", of["exceptionDetails"]["text"]))
        elif name == "Runtime.consoleAPICalled" and of["type"] in ("error", "warning", "assert"):
            self.errors.append(f"console.{of['type']}: {of['args']}")
        elif name == "Log.entryAdded" and of["entry"]["level"] in ("error", "warning"):
            self.errors.append(of["entry"]["text"])
        elif name == "Network.requestWillBeSent":
            self.requests.append(of["request"]["url"])

    def send(self, method: str, **parameters) -> dict:
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters} | ({"sessionId": self.session} if self.session else {})
        os.write(self.ours_out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") != self.number:
                self.note(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def wait_for(self, method: str) -> dict:
        while True:
            for place, event in enumerate(self.events):
                if event.get("method") == method:
                    return self.events.pop(place)
            self.note(self.receive())

    def open(self, file: Path, fragment: str = "") -> float:
        """Returns the seconds until all of the page was there and its scripts had run."""
        self.errors, self.requests, self.events = [], [], []
        self.send("Page.navigate", url="about:blank")
        self.wait_for("Page.loadEventFired")
        self.requests = []
        begin = time.monotonic()
        self.send("Page.navigate", url=file.resolve().as_uri() + fragment)
        self.wait_for("Page.loadEventFired")
        return time.monotonic() - begin

    def evaluate(self, script: str):
        """The value of an expression, or of what it promises, as JSON holds it."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", str(answer)))
        return answer["result"].get("value")

    def press(self, key: str, code: int) -> None:
        for kind in ["keyDown", "keyUp"]:
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def look(self, width: int = 1280, height: int = 900, scheme: str = "light", media: str = "screen") -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def allow_scripts(self, allowed: bool) -> None:
        self.send("Emulation.setScriptExecutionDisabled", value=not allowed)

    def picture(self, file: Path, whole: bool = True) -> None:
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}
        taken = self.send("Page.captureScreenshot", captureBeyondViewport=whole, **({"clip": clip} if whole else {}))
        file.write_bytes(b64decode(taken["data"]))

    def print(self, file: Path) -> None:
        self.send("Emulation.setEmulatedMedia", media="", features=[])
        file.write_bytes(b64decode(self.send("Page.printToPDF", printBackground=True)["data"]))
