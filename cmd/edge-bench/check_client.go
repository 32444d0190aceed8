package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// checkBound bounds each step of a check.
const checkBound = time.Minute

// client is a plain WebSocket client for the checks, which are about behaviour
// and not about speed.
type client struct {
	conn *net.TCPConn
	r    *bufio.Reader
}

// dialClient connects; Close closes.
func dialClient(ctx context.Context, addr netip.AddrPort) (*client, error) {
	d := net.Dialer{Timeout: checkBound}
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(checkBound)); err != nil {
		conn.Close()
		return nil, err
	}
	return &client{conn.(*net.TCPConn), bufio.NewReaderSize(conn, 64<<10)}, nil
}

// openClient connects and opens a WebSocket, with early right behind the request.
func openClient(ctx context.Context, addr netip.AddrPort, early []byte) (*client, error) {
	c, err := dialClient(ctx, addr)
	if err != nil {
		return nil, err
	}
	head, err := c.exchange(append(handshakeTo(pathEcho), early...))
	if err == nil && !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		line, _, _ := bytes.Cut(head, []byte("\r\n"))
		err = fmt.Errorf("the handshake was answered %q", line)
	}
	if err == nil {
		if accept, _ := headerValue(head, "sec-websocket-accept"); string(accept) != handshakeAccept {
			err = fmt.Errorf("Sec-WebSocket-Accept is %q", accept)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) Close() error { return c.conn.Close() }

// exchange sends a request and reads the head of the answer.
func (c *client) exchange(request []byte) (head []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := c.r.ReadSlice('\n')
		if head = append(head, line...); err != nil {
			return nil, err
		}
		if len(head) > maxRequestHead {
			return nil, errors.New("the answer's head is too long")
		}
	}
	return head, nil
}

// send sends one frame, masked.
func (c *client) send(first byte, payload []byte) error {
	_, err := c.conn.Write(appendFrame(nil, first, &[4]byte{0x9a, 0x31, 0x7f, 0xc4}, payload))
	return err
}

// receive reads one message, or one control frame.
func (c *client) receive() (opcode byte, payload []byte, err error) {
	for {
		b, err := c.r.Peek(2)
		if err != nil {
			return 0, nil, err
		}
		size := 2
		switch b[1] & 0x7F {
		case 126:
			size = 4
		case 127:
			size = 10
		}
		if b, err = c.r.Peek(size); err != nil {
			return 0, nil, err
		}
		h, ok := parseHeader(b)
		if !ok || h.masked || h.length < 0 || h.length > 64<<20 {
			return 0, nil, fmt.Errorf("a frame that no server sends: % x", b)
		}
		if _, err := c.r.Discard(size); err != nil {
			return 0, nil, err
		}
		from := len(payload)
		payload = append(payload, make([]byte, h.length)...)
		if _, err := io.ReadFull(c.r, payload[from:]); err != nil {
			return 0, nil, err
		}
		if h.opcode() != opContinuation {
			opcode = h.opcode()
		}
		if h.first&fin != 0 {
			return opcode, payload, nil
		}
	}
}

// want receives, and compares.
func (c *client) want(opcode byte, payload []byte) error {
	op, got, err := c.receive()
	switch {
	case err != nil:
		return err
	case op != opcode:
		return fmt.Errorf("came back with opcode %d instead of %d", op, opcode)
	case !bytes.Equal(got, payload):
		return fmt.Errorf("%d bytes came back as %d others", len(payload), len(got))
	}
	return nil
}
