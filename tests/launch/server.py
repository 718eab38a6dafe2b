"""A web server on this machine that serves files from memory, and errs where it is told to."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}  # answered with a redirection
        self.refused: dict[str, int] = {}  # HTTP status for all paths that begin so
        self.cut: dict[str, int] = {}  # the connection ends after so many bytes, once
        self.resumes = True
        self.token = ""  # asked for where it is not empty
        self.requests: list[tuple[str, str]] = []  # path, and the range asked for
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, asked = request.path, request.headers.get("Range", "")
        self.requests.append((path, asked))
        status = next((status for begin, status in self.refused.items() if path.startswith(begin)), 0)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            status = 401
        if path in self.moved:
            request.send_response(302)
            request.send_header("Location", self.moved[path])
            request.end_headers()
            return
        if status or path not in self.files:
            return request.send_error(status or 404)
        content = self.files[path]
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.resumes else 0
        if begin and begin >= len(content):
            return request.send_error(416)
        request.send_response(206 if begin else 200)
        request.send_header("Content-Length", str(len(content) - begin))
        request.send_header("Content-Type", "text/html" if path.endswith("/") else "application/octet-stream")
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        request.wfile.write(content[begin : self.cut.pop(path, len(content))])
