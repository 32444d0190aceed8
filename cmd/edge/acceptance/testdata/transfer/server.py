"""Sends and takes large bodies, and tells what became of them.

GET  /file?size=N     N made-up bytes: chunked, or the range that is asked for
POST /upload          reads a body and answers with its length and SHA-256
POST /slow            the same, but reads nothing after the first byte until /go
POST /go              lets every /slow go on
GET  /last            what the last transfer came to; an upload that broke off is
                      "broken"

Block i of the bytes, 1 MiB each, is i as 8 bytes, then the end of the SHAKE-128
of "edge".
"""

import hashlib
import http.server
import json
import re
import sys
import threading
import urllib.parse

BLOCK = 1 << 20
FILLER = hashlib.shake_128(b"edge").digest(BLOCK)

go = threading.Event()
last = {}


def pieces(begin, end):
    """The bytes from begin to end, a block or less at a time."""
    block = bytearray(FILLER)
    while begin < end:
        block[:8] = (begin // BLOCK).to_bytes(8, "big")
        offset = begin % BLOCK
        piece = memoryview(block)[offset : offset + end - begin]
        yield piece
        begin += len(piece)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/last":
            return self.answer(last)
        if url.path != "/file":
            return self.answer({"title": "transfers"})
        size = int(urllib.parse.parse_qs(url.query)["size"][0])
        etag = f'"edge-{size}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked or self.headers.get("If-Range", etag) != etag:
            return self.send_file(size, etag)
        begin = int(asked[1])
        end = min(int(asked[2] or size - 1), size - 1) + 1
        self.send_range(begin, end, size, etag)

    def send_file(self, size, etag):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.counted(0, size, lambda piece: (b"%x\r\n" % len(piece), piece, b"\r\n"))
        self.wfile.write(b"0\r\n\r\n")

    def send_range(self, begin, end, size, etag):
        self.send_response(206)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self.send_header("Content-Length", str(end - begin))
        self.send_header("ETag", etag)
        self.end_headers()
        self.counted(begin, end, lambda piece: (piece,))

    def counted(self, begin, end, frame):
        """Writes the bytes from begin to end; last tells how far it came."""
        global last
        last = mine = {"what": "download", "bytes": 0, "broken": False}
        try:
            for piece in pieces(begin, end):
                for part in frame(piece):
                    self.wfile.write(part)
                mine["bytes"] += len(piece)
        except OSError:
            mine["broken"] = True
            self.close_connection = True
            raise

    def do_POST(self):
        global last
        if self.path == "/go":
            go.set()
            return self.answer({})
        last = mine = {"what": "upload", "bytes": 0, "broken": False, "chunked": "chunked" in self.headers.get("Transfer-Encoding", "")}
        digest = hashlib.sha256()
        try:
            for piece in self.body():
                digest.update(piece)
                mine["bytes"] += len(piece)
                if self.path == "/slow":
                    go.wait()
        except (OSError, EOFError, ValueError):
            mine["broken"] = True
            self.close_connection = True
            return
        mine["sha256"] = digest.hexdigest()
        self.answer(mine)

    def body(self):
        """The body's pieces (RFC 9112, sections 6 and 7.1); EOFError if it breaks off."""
        if "Content-Length" in self.headers:
            yield from self.sized(int(self.headers["Content-Length"]))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield from self.sized(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def sized(self, size):
        while size > 0:
            piece = self.rfile.read1(min(size, BLOCK))
            if not piece:
                raise EOFError
            size -= len(piece)
            yield piece

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
