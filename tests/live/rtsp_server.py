#!/usr/bin/env python3
"""A network camera for tests: an MPEG transport stream over RTSP, RTP inside the connection.

Usage: rtsp_server.py CLIP.ts SECONDS      prints its port; each client is sent the clip in real time for so many
seconds, then cut off, as a camera that dies; the next one is served again.
"""
import socket
import struct
import sys
import time

PACKET = 7 * 188  # bytes of transport stream in one RTP packet
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=clip\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"


def requests(connection):
    """Method and headers of each RTSP request."""
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            more = connection.recv(4096)
            if not more:
                return
            buffer += more
        head, buffer = buffer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        yield lines[0].split()[0], lines[0].split()[1], headers


def play(connection, clip, seconds):
    begin, sequence, duration = time.monotonic(), 0, 8.0  # as long as the clip
    count = (len(clip) + PACKET - 1) // PACKET
    while True:
        now = time.monotonic() - begin
        if now > seconds:
            return
        while sequence < now / duration * count:
            at = sequence % count * PACKET
            rtp = struct.pack("!BBHII", 0x80, 33, sequence & 0xFFFF, int(now * 90000) & 0xFFFFFFFF, 7)
            payload = rtp + clip[at:at + PACKET]
            connection.sendall(b"$\0" + struct.pack("!H", len(payload)) + payload)
            sequence += 1
        time.sleep(0.01)


def serve(connection, clip, seconds):
    for method, url, headers in requests(connection):
        fields, body = f"CSeq: {headers['CSeq']}\r\n", ""
        if method == "OPTIONS":
            fields += "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = SDP
            fields += f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            fields += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        else:
            fields += "Session: 1\r\n"
        connection.sendall(f"RTSP/1.0 200 OK\r\n{fields}\r\n{body}".encode())
        if method == "PLAY":
            return play(connection, clip, seconds)
        if method == "TEARDOWN":
            return


def main():
    clip, seconds = open(sys.argv[1], "rb").read(), float(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        try:
            serve(connection, clip, seconds)
        except OSError:
            pass
        connection.close()


if __name__ == "__main__":
    main()
