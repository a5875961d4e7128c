"""Changes a key by the control port, or locks all of them: what an administrator does while a client is at work.

    python3 change_key.py ADDRESS SERVER_CA CERTIFICATE PRIVATE_KEY STORE KEY CHANGE [BODY]

ADDRESS is host:port of the control port; the next three are PEM files, the latter two of an administrator. CHANGE is
the last part of the route: disable, enable, request-deletion, delete-now, update; or lock and unlock, which are of no key, whatever KEY says. BODY is what it takes, in JSON. The answer of the control port is waited for: once it
is there, the change is in force on every connection.
"""

import http.client
import ssl
import sys
from urllib.parse import quote


def main(
    address: str, server_ca: str, certificate: str, private_key: str, store: str, key: str, change: str, body: str = "{}"
) -> None:
    context = ssl.create_default_context(cafile=server_ca)
    context.load_cert_chain(certificate, private_key)
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPSConnection(host.strip("[]"), int(port), timeout=60, context=context)
    of_key = f"/v1/stores/{quote(store, safe='')}/keys/{quote(key, safe='')}/{change}"
    path = f"/v1/emergency/{change}" if change in ("lock", "unlock") else of_key
    connection.request("POST", path, body.encode(), {"Content-Type": "application/json", "Claviger-Request": "1"})
    reply = connection.getresponse()
    if reply.status != 200:
        sys.exit(f"the control port answered {reply.status}: {reply.read().decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
