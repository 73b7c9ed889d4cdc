"""Receives webhooks on loopback and lets the official Standard Webhooks library judge each one.

    webhook_receiver.py PORT LOG SECRET

204 for what verifies under SECRET, 401 for what does not; one JSON line a request goes to LOG.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook

port, log, secret = int(sys.argv[1]), sys.argv[2], sys.argv[3]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            verified = Webhook(secret).verify(body, {name.lower(): value for name, value in self.headers.items()})
            told, status = {"ok": True, "type": verified["type"], "id": self.headers["webhook-id"]}, 204
        except Exception as error:
            told, status = {"ok": False, "why": f"{type(error).__name__}: {error}"}, 401
        with open(log, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(told) + "\n")
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", port), Receiver).serve_forever()
