package main

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"edge/sandboxmgr/initproto"
)

// A wicked init ends for nothing but SIGKILL, and comes again and again.
const againAfter = 5 * time.Millisecond

// connections calls f with one new connection after another, each of which said
// a good hello. It never returns.
func connections(f func(net.Conn)) {
	signal.Ignore()
	hello := initproto.Hello{
		Min: initproto.MinVersion, Max: initproto.Version, Token: os.Getenv("EDGE_INIT_TOKEN"), Boot: "wicked",
	}
	for ; ; time.Sleep(againAfter) {
		c, err := net.Dial("unix", socket)
		if err != nil {
			continue
		}
		w := initproto.NewWriter(c)
		w.Head(initproto.TypeHello, hello)
		var welcome initproto.Welcome
		if w.Flush() == nil && initproto.NewReader(c).Head(initproto.TypeWelcome, initproto.MaxHello, &welcome) == nil {
			f(c)
		}
		c.Close()
	}
}

// awaitCall reads a call, whatever it is.
func awaitCall(c net.Conn) bool {
	r := initproto.NewReader(c)
	var call initproto.Call
	if r.Head(initproto.TypeCall, initproto.MaxFrame, &call) != nil {
		return false
	}
	_, err := r.Body(initproto.MaxBody, nil)
	return err == nil
}

func frame(typ initproto.Type, body string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + string(byte(typ)) + body
}

// garbage answers what is none of the protocol's.
func garbage() {
	connections(func(c net.Conn) {
		if awaitCall(c) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello")
		}
	})
}

// halves begins an answer and leaves it at that.
func halves() {
	connections(func(c net.Conn) {
		if awaitCall(c) {
			_, _ = io.WriteString(c, frame(initproto.TypeResult, "{}")+"\x00\x00\xff\xff\x04abc")
			_, _ = io.Copy(io.Discard, c)
		}
	})
}

// silence takes calls and never answers.
func silence() {
	connections(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

// frames answers with frames without an end, a million at least, and descriptors
// with some of them.
func frames() {
	connections(func(c net.Conn) {
		if !awaitCall(c) {
			return
		}
		_, err := io.WriteString(c, frame(initproto.TypeResult, "{}"))
		many := make([]byte, 0, 64<<10)
		for range 1000 {
			many = append(many, frame(initproto.TypeText, "{}")...)
		}
		for err == nil {
			if err = sendDescriptors(c.(*net.UnixConn), frame(initproto.TypeText, "{}")); err != nil {
				break
			}
			_, err = c.Write(many)
		}
	})
}

// unasked answers before it is asked.
func unasked() {
	connections(func(c net.Conn) {
		answer := frame(initproto.TypeResult, "{}") + frame(initproto.TypeData, "{}") + frame(initproto.TypeEnd, "")
		for {
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	})
}
