package main

// handshakeKey is the one that every handshake is made with, and handshakeAccept
// what must be answered to it (the example of RFC 6455, section 1.3).
const (
	handshakeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// Where WebSockets are opened. At pathPolicy the edge's plugin decides with a
// policy that has timers.
const (
	pathEcho   = "/echo?bench=1"
	pathPolicy = "/policy"
)

// handshakeTo opens a WebSocket (RFC 6455, section 4.1) with the headers that a
// browser sends.
func handshakeTo(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: edge-bench\r\nOrigin: http://localhost\r\nConnection: Upgrade\r\n" +
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + handshakeKey + "\r\n\r\n")
}

// maxAnswerHead bounds the head of an answer.
const maxAnswerHead = 4 << 10

// requestFor asks for path with the headers that most clients send.
func requestFor(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: edge-bench\r\nAccept: */*\r\n\r\n")
}
