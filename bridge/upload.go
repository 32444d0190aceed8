package bridge

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// smallBody is what is read whole before it is sent, in one piece with the head.
const smallBody = 16 << 10

// upload sends a request body while the answer may already be coming. Its
// goroutine ends at the body's end, or when stop says so.
type upload struct {
	x    *exchange
	rc   *fasthttp.RequestCtx
	src  io.Reader
	dst  net.Conn
	size int64 // -1: in chunks

	progress atomic.Int64 // Unix nanoseconds of the last bytes sent
	read     atomic.Bool  // the client has sent all of it
	ending   atomic.Bool  // stop has come: reads end by the relay's own doing
	done     chan struct{}
	err      error // valid after done
}

func (x *exchange) startUpload(rc *fasthttp.RequestCtx, head *Head, dst net.Conn) *upload {
	u := &upload{x: x, rc: rc, src: head.Body, dst: dst, size: head.ContentLength, done: make(chan struct{})}
	u.progress.Store(time.Now().UnixNano())
	go u.run()
	return u
}

func (u *upload) run() {
	defer close(u.done)
	room := uploadBuffer{relay: u.x.relay, small: u.x.relay.buffers.get()}
	defer room.put()
	sent, deaf := int64(0), false
	for {
		b := room.next()
		n, err := u.src.Read(b[headroom : len(b)-2])
		room.last = n
		sent += int64(n)
		if u.size >= 0 && sent > u.size {
			n -= int(sent - u.size)
			sent, err = u.size, io.EOF
		}
		last := errors.Is(err, io.EOF)
		if last {
			err = u.complete(sent)
		}
		var trailers []byte
		if err == nil && last {
			trailers = u.trailers() // before read says that nobody looks at the request any more
			u.read.Store(true)
		}
		if n > 0 && !deaf {
			u.x.count(&u.x.in, n)
			if werr := u.write(b, n); werr != nil {
				u.err, deaf = werr, true // read on: the backend may have answered already
			}
		}
		switch {
		case err != nil:
			u.abandon(err)
			return
		case last:
			if u.size < 0 && !deaf {
				_, u.err = u.dst.Write(trailers)
			}
			return
		}
	}
}

// uploadBuffer is a buffer that is a large one for as long as a client fills it.
type uploadBuffer struct {
	relay *Relay
	small *buffer
	large *[bulkSize]byte
	last  int // what the last read brought
	full  int // how many small ones were filled in a row
}

// next returns the buffer for the next read.
func (u *uploadBuffer) next() []byte {
	switch {
	case u.large != nil && u.last < bufferSize:
		u.relay.bulk.put(u.large)
		u.large, u.full = nil, 0
	case u.large == nil && u.last == len(u.small)-headroom-2:
		if u.full++; u.full == 2 {
			u.large = u.relay.bulk.get()
		}
	default:
		u.full = 0
	}
	if u.large != nil {
		return u.large[:]
	}
	return u.small[:]
}

// put gives up all of it.
func (u *uploadBuffer) put() {
	u.relay.buffers.put(u.small)
	if u.large != nil {
		u.relay.bulk.put(u.large)
	}
}

// complete says whether a body that ended is whole. fasthttp ends a stream
// quietly when the client closes inside it: a short body shows by its length, a
// chunked one by the connection having ended too.
func (u *upload) complete(sent int64) error {
	if u.size >= 0 && sent < u.size || u.size < 0 && clientEnded(u.x.client) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// abandon breaks the backend's connection, so that a body that was cut short does
// not look like a whole one.
func (u *upload) abandon(err error) {
	if u.err == nil {
		u.err = fmt.Errorf("%w: request body: %w", ErrClientGone, err)
	}
	if !u.ending.Load() {
		u.x.gone() // first, so that whoever finds the connection closed knows why
	}
	u.dst.Close()
}

// write sends n bytes at b[headroom:], as a chunk if need be: its size line goes
// into the headroom.
func (u *upload) write(b []byte, n int) error {
	at, end := headroom, headroom+n
	if u.size < 0 {
		var size [headroom]byte
		line := appendChunkSize(size[:0], int64(n))
		at -= copy(b[headroom-len(line):], line)
		end += copy(b[end:], "\r\n")
	}
	_, err := u.dst.Write(b[at:end])
	u.progress.Store(time.Now().UnixNano())
	return err
}

// trailers is the last chunk with the trailers that the client sent behind it.
func (u *upload) trailers() []byte {
	end := []byte("0\r\n")
	if u.size < 0 && u.rc.Request.IsBodyStream() {
		for _, name := range u.rc.Request.Header.PeekTrailerKeys() {
			if !trailing(string(name)) {
				continue
			}
			for _, value := range u.rc.Request.Header.PeekAll(string(name)) {
				if validToken(name) && validValue(value) {
					end = appendField(end, string(name), string(value))
				}
			}
		}
	}
	return append(end, "\r\n"...)
}

// ended says that the goroutine is through and all was sent.
func (u *upload) ended() bool {
	if u == nil {
		return true
	}
	select {
	case <-u.done:
		return u.err == nil
	default:
		return false
	}
}

// unread says that the client may have more of the body to send, so that its
// connection cannot serve another request.
func (u *upload) unread() bool { return u != nil && !u.read.Load() }

// stop ends the upload and waits for it. What it had not read stays unread.
func (u *upload) stop() {
	if u == nil {
		return
	}
	u.ending.Store(true)
	u.dst.Close()
	if u.unread() {
		u.x.client.SetReadDeadline(past)
		defer u.x.client.SetReadDeadline(time.Time{})
	}
	<-u.done
}
