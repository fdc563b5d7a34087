"""Sends over TCP with MSG_ZEROCOPY and counts what the kernel says became of each send."""

import select
import socket
import struct
import sys

SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000  # Python has no names for them
SENDS, SIZE = 100, 16384

sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
notified = select.poll()
notified.register(sock, 0)  # POLLERR, which comes unasked
data = bytes(SIZE)
zerocopied = copied = 0

while zerocopied + copied < SENDS:
    sock.send(data, MSG_ZEROCOPY)
    if not notified.poll(5000):
        sys.exit("no notification within 5 s")
    _, messages, _, _ = sock.recvmsg(0, 256, socket.MSG_ERRQUEUE)
    for _, _, error in messages:
        # struct sock_extended_err: errno, origin, type, code, pad, then the first and the last send
        _, _, _, code, _, first, last = struct.unpack("=IBBBBII", error[:16])
        if code & 1:  # SO_EE_CODE_ZEROCOPY_COPIED
            copied += last - first + 1
        else:
            zerocopied += last - first + 1

print(f"{SENDS} sends of {SIZE} bytes: zc=y {zerocopied}, zc=n {copied}")
