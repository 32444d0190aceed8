package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strconv"
)

// What the echo backend answers, besides WebSockets at any path.
const (
	pathSmall   = "/small"   // a few hundred bytes
	pathLarge   = "/large"   // 1 MiB
	pathEvents  = "/events"  // server-sent events that tell when they were written
	pathInspect = "/inspect" // the head of the request as it arrived
)

// maxRequestHead bounds the head of a request.
const maxRequestHead = 16 << 10

const (
	smallBody = 256
	largeBody = 1 << 20
)

// websocketGUID is RFC 6455's, section 1.3.
const websocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// acceptLength is that of a Sec-WebSocket-Accept.
const acceptLength = 28

// appendAccept appends the Sec-WebSocket-Accept for key (RFC 6455, section 4.2.2).
func appendAccept(dst, key []byte) []byte {
	var text [96]byte
	sum := sha1.Sum(append(append(text[:0], key...), websocketGUID...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// requestTarget is the request line's target, without its query.
func requestTarget(head []byte) []byte {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	_, rest, _ := bytes.Cut(line, []byte(" "))
	target, _, _ := bytes.Cut(rest, []byte(" "))
	path, _, _ := bytes.Cut(target, []byte("?"))
	return path
}

// headerValue is the first value of the named header of a head; name is in lower
// case.
func headerValue(head []byte, name string) ([]byte, bool) {
	for {
		_, rest, more := bytes.Cut(head, []byte("\r\n"))
		if !more || len(rest) < len(name)+1 {
			return nil, false
		}
		if head = rest; head[len(name)] == ':' && equalFold(head[:len(name)], name) {
			value, _, _ := bytes.Cut(head[len(name)+1:], []byte("\r\n"))
			return bytes.Trim(value, " \t"), true
		}
	}
}

// equalFold compares ASCII; lower is in lower case.
func equalFold(b []byte, lower string) bool {
	for i := range b {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// wholeAnswer is a complete answer of HTTP/1.1.
func wholeAnswer(status string, body []byte) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nX-Backend: edge-bench\r\nContent-Length: %d\r\n\r\n", status, len(body))
	return append(b, body...)
}

// eventsHead begins the answer whose events eventChunk makes. nginx takes the
// last header as the order not to buffer.
const eventsHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\nX-Accel-Buffering: no\r\n\r\n"

// An event is its mark and as many digits of CLOCK_MONOTONIC, in nanoseconds.
const (
	eventMark   = "data: "
	eventDigits = 20
)

// eventChunk is the chunk of an answer's body that holds one event, written at
// the given time (RFC 9112, section 7.1).
func eventChunk(dst []byte, at int64) []byte {
	dst = strconv.AppendInt(dst, int64(len(eventMark)+eventDigits+2), 16)
	dst = append(dst, "\r\n"+eventMark...)
	var digits [eventDigits]byte
	text := strconv.AppendInt(digits[:0], at, 10)
	for range eventDigits - len(text) {
		dst = append(dst, '0')
	}
	dst = append(dst, text...)
	return append(dst, "\n\n\r\n"...)
}
