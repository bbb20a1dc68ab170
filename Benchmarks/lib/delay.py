"""A TCP proxy that holds every byte for half of a round trip: delay.py PORT HOST:PORT MILLISECONDS

At most 4 MiB are held for one direction of a connection, about what Linux allows for a TCP window.
"""
import asyncio, sys

WINDOW = 4 << 20


async def pump(reader, writer, delay):
    loop = asyncio.get_running_loop()
    held, room, queue = 0, asyncio.Event(), asyncio.Queue()

    async def deliver():
        nonlocal held
        while True:
            due, chunk = await queue.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
            held -= len(chunk)
            room.set()
        if writer.can_write_eof():
            writer.write_eof()

    async def take():
        nonlocal held
        while True:
            chunk = await reader.read(256 << 10)
            queue.put_nowait((loop.time() + delay, chunk))
            if not chunk:
                return
            held += len(chunk)
            while held >= WINDOW:
                room.clear()
                await room.wait()

    await asyncio.gather(take(), deliver())


async def main(port, host, milliseconds):
    async def connected(reader, writer):
        try:
            there_reader, there_writer = await asyncio.open_connection(*host.split(":"), limit=1 << 20)
            delay = milliseconds / 2000
            await asyncio.gather(pump(reader, there_writer, delay), pump(there_reader, writer, delay))
            there_writer.close()
        except OSError:
            pass  # either side has hung up
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=1 << 20)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
