package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Names of the checks.
const (
	checkEcho    = "echo exact"
	checkControl = "ping and pong"
	checkClose   = "close code"
	checkEarly   = "frame with the handshake"
	checkHalf    = "answer after half-close"
	checkHead    = "path and headers"
	checkEvents  = "events at once"
)

// check is one thing that a proxy must do right before its speed counts.
type check struct {
	name string
	do   func(ctx context.Context, addr netip.AddrPort) error
}

// checks are all of them. A mode names those without which its figure would
// compare different work; the others are told and exclude nobody.
func checks() []check {
	return []check{
		{checkEcho, echoesExactly}, {checkControl, answersPing}, {checkClose, passesClose}, {checkEarly, passesEarly},
		{checkHalf, answersHalfClosed}, {checkHead, passesHead}, {checkEvents, passesEvents},
	}
}

// verdicts are what the checks found: nil for what is as it should be.
func verdicts(ctx context.Context, addr netip.AddrPort) map[string]string {
	found := map[string]string{}
	for _, c := range checks() {
		if err := c.do(ctx, addr); err != nil {
			found[c.name] = strings.ReplaceAll(err.Error(), addr.String(), "the proxy")
		}
	}
	return found
}

func echoesExactly(ctx context.Context, addr netip.AddrPort) error {
	c, err := openClient(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, opcode := range []byte{opText, opBinary} {
		for _, size := range []int{0, 1, 125, 126, 1024, 65535, 65536, 1 << 20} {
			payload := pattern(size)
			if err := c.send(fin|opcode, payload); err != nil {
				return fmt.Errorf("%d bytes: %w", size, err)
			}
			if err := c.want(opcode, payload); err != nil {
				return fmt.Errorf("%d bytes: %w", size, err)
			}
		}
	}
	return nil
}

func answersPing(ctx context.Context, addr netip.AddrPort) error {
	c, err := openClient(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.send(fin|opPing, []byte("are you there")); err != nil {
		return err
	}
	return c.want(opPong, []byte("are you there"))
}

func passesClose(ctx context.Context, addr netip.AddrPort) error {
	c, err := openClient(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	reason := append([]byte{4001 >> 8, 4001 & 0xFF}, "enough"...)
	if err := c.send(fin|opClose, reason); err != nil {
		return err
	}
	return c.want(opClose, reason)
}

func passesEarly(ctx context.Context, addr netip.AddrPort) error {
	early := appendFrame(nil, fin|opText, &[4]byte{1, 2, 3, 4}, []byte("early"))
	c, err := openClient(ctx, addr, early)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.send(fin|opText, []byte("later")); err != nil {
		return err
	}
	if err := c.want(opText, []byte("early")); err != nil {
		return err
	}
	return c.want(opText, []byte("later"))
}

func answersHalfClosed(ctx context.Context, addr netip.AddrPort) error {
	c, err := openClient(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.send(fin|opText, []byte("the last word")); err != nil {
		return err
	}
	if err := c.conn.CloseWrite(); err != nil {
		return err
	}
	return c.want(opText, []byte("the last word"))
}

func passesHead(ctx context.Context, addr netip.AddrPort) error {
	const target = pathInspect + "?a=%2Fb%20c&d=%c3%A9;e"
	c, err := dialClient(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	head, err := c.exchange([]byte("GET " + target + " HTTP/1.1\r\nHost: bench.test:81\r\nX-One: a  b\r\nX-Two: first\r\nX-Two: second\r\nCookie: k=v; l=\"w\"\r\n\r\n"))
	if err != nil {
		return err
	}
	text, ok := headerValue(head, "content-length")
	length, good := decimal(text)
	if !ok || !good || length > maxRequestHead {
		return fmt.Errorf("the answer has the length %q", text)
	}
	got := make([]byte, length)
	if _, err := io.ReadFull(c.r, got); err != nil {
		return err
	}
	return sameHead(got, target)
}

// sameHead compares what the backend was sent with what passesHead sent. Names
// may change their case and repeated headers may be joined (RFC 9110, section 5).
func sameHead(got []byte, target string) error {
	if line, _, _ := bytes.Cut(got, []byte("\r\n")); string(line) != "GET "+target+" HTTP/1.1" {
		return fmt.Errorf("the request line became %q", line)
	}
	for _, want := range [][2]string{{"host", "bench.test:81"}, {"x-one", "a  b"}, {"cookie", `k=v; l="w"`}} {
		if value, _ := headerValue(got, want[0]); string(value) != want[1] {
			return fmt.Errorf("the header %s became %q", want[0], value)
		}
	}
	value, _ := headerValue(got, "x-two")
	if joined := string(value); joined != "first, second" && joined != "first,second" && !(joined == "first" && bytes.Contains(got, []byte(": second\r\n"))) {
		return fmt.Errorf("two headers x-two became %q", value)
	}
	return nil
}

// passesEvents wants events by ones and by few: one that waits until a buffer is
// full comes with hundreds of others, each time. A client that is late finds many too,
// and so it looks again and again.
func passesEvents(ctx context.Context, addr netip.AddrPort) error {
	const reads, few, enough = 1000, 32, 30
	c, err := dialClient(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.conn.Write(requestFor(pathEvents)); err != nil {
		return err
	}
	var stamps stampReader
	b := make([]byte, 64<<10)
	for single, read := 0, 0; single < enough; read++ {
		if read == reads {
			return errors.New("events come in heaps")
		}
		n, err := c.conn.Read(b)
		if err != nil {
			return err
		}
		events := 0
		for rest, ok := b[:n], true; ok; {
			if _, rest, ok = stamps.next(rest); ok {
				events++
			}
		}
		if events <= few {
			single++
		}
	}
	return nil
}
