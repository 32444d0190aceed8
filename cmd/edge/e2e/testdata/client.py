"""Sends texts and binary messages of many sizes, wants each back, pings, and
wants the close handshake to end cleanly. permessage-deflate is offered, as the
library does by default."""
import asyncio
import sys

import websockets


async def main(url):
    messages = 0
    async with websockets.connect(url, max_size=None, compression="deflate") as ws:
        for size in [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]:
            for message in ["x" * size, bytes(i * 31 % 256 for i in range(size))]:
                await ws.send(message)
                if await ws.recv() != message:
                    sys.exit(f"{size} bytes came back changed")
                messages += 1
        await (await ws.ping(b"are you there"))
        extensions = [type(e).__name__ for e in ws.extensions]
    print(f"python: {messages} messages echoed, extensions {extensions}, closed with {ws.close_code}")
    if ws.close_code != 1000:
        sys.exit("the close was not clean")


asyncio.run(main(sys.argv[1]))
