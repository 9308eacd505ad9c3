"""Text messages and control frames of one WebSocket, without I/O: `wsproto` with limits.

A message may have a limited number of bytes and of fragments, and a second a limited number of control
frames. All input costs time in proportion to its size.

Close codes (RFC 6455, section 7.4.1): 1002 a frame that violates the protocol, 1003 a binary message, 1007
text that is not UTF-8, 1008 too many fragments or control frames, 1009 a message that is too large.
"""

from __future__ import annotations

import io

from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol, Opcode, ParseFailed

MOST_FRAGMENTS = 4_096
MOST_CONTROL_FRAMES_PER_S = 100


class Messages:
    """What one side of a WebSocket sends and receives after the handshake.

    Args:
        served: True for the server's side.
        most_bytes: the limit for a received message, bytes.

    Attributes:
        most_bytes: the limit; it may be changed.
        answers: frames to send, which the input demands: pongs and the closing frame.
        failure: why the connection must end; empty while it is open.
    """

    def __init__(self, served: bool, most_bytes: int) -> None:
        # The library's layer above this one has nothing to add without extensions, and costs 0.1 MB per pod.
        self._protocol = FrameProtocol(not served, [])
        self._other = "client" if served else "eureka"
        self.most_bytes = most_bytes
        # Grows in linear time, however small the pieces are.
        self._text = io.StringIO()
        self._bytes = self._fragments = 0
        self._second = self._control_frames = 0
        self.answers: list[bytearray] = []
        self.failure = ""

    def render_text(self, text: str) -> bytearray:
        """Return the frame of a text message."""
        return self._protocol.send_data(text)

    def render_ping(self) -> bytearray:
        """Return the frame of a ping."""
        return self._protocol.ping()

    def feed(self, data: bytes) -> None:
        """Take input, which `next_text` reads."""
        self._protocol.receive_bytes(data)

    def next_text(self, now: float) -> str | None:
        """Return the next whole message; None if the input ends before, or if the connection must end.

        Args:
            now: seconds, on a clock that does not go back.
        """
        try:
            # The rest of the frames stays in the protocol if this loop ends early.
            for frame in self._protocol.received_frames():
                if frame.opcode is Opcode.TEXT:
                    if (text := self._take_text(frame)) is not None:
                        return text
                elif frame.opcode is Opcode.BINARY:
                    self._close(CloseReason.UNSUPPORTED_DATA, "message: must be text, not binary")
                elif frame.opcode is Opcode.CLOSE:
                    assert isinstance(frame.payload, tuple)
                    self.answers.append(self._protocol.close(frame.payload[0]))
                    self.failure = f"{self._other} closed the connection"
                else:
                    self._take_control(frame, now)
                if self.failure:
                    break
        except ParseFailed as error:
            self._close(error.code, f"invalid WebSocket frame: {error}")
        return None

    def _take_text(self, piece: Frame) -> str | None:
        data = piece.payload
        assert isinstance(data, str)
        self._bytes += len(data) if data.isascii() else len(data.encode())
        self._fragments += piece.frame_finished
        if self._bytes > self.most_bytes:
            self._close(CloseReason.MESSAGE_TOO_BIG, f"message: must have at most {self.most_bytes} bytes")
            return None
        if self._fragments > MOST_FRAGMENTS:
            reason = f"message: must have at most {MOST_FRAGMENTS} fragments"
            self._close(CloseReason.POLICY_VIOLATION, reason)
            return None
        if piece.message_finished and self._fragments == 1 and not self._text.tell():
            self._bytes = self._fragments = 0
            return data
        self._text.write(data)
        if not piece.message_finished:
            return None
        text = self._text.getvalue()
        self._text = io.StringIO()
        self._bytes = self._fragments = 0
        return text

    def _take_control(self, frame: Frame, now: float) -> None:
        if int(now) != self._second:
            self._second, self._control_frames = int(now), 0
        self._control_frames += 1
        if self._control_frames > MOST_CONTROL_FRAMES_PER_S:
            reason = f"control frames: must be at most {MOST_CONTROL_FRAMES_PER_S} in a second"
            self._close(CloseReason.POLICY_VIOLATION, reason)
        elif frame.opcode is Opcode.PING:
            assert isinstance(frame.payload, bytes)
            self.answers.append(self._protocol.pong(frame.payload))

    def _close(self, code: int, reason: str) -> None:
        self.answers.append(self._protocol.close(code, reason))
        self.failure = reason
