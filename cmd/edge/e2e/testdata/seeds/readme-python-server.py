import asyncio
import websockets

async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)

start_server = websockets.serve(echo, "0.0.0.0", 8080)
asyncio.run(start_server)
