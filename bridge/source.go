package bridge

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"syscall"

	"edge/bridge/socket"
)

// smallRead is what a source holds while it waits on a connection that cannot
// say when it is readable (TLS).
const smallRead = 512

// source reads a connection with a pooled buffer that it holds only while there
// is data in it: a connection that is idle costs none. One goroutine at a time.
type source struct {
	conn    net.Conn
	buffers *bufferPool

	buf  *buffer
	r, w int // unread is buf[r:w]

	raw   syscall.RawConn // nil where conn is not a plain socket
	try   func(fd uintptr) bool
	n     int // of the last read
	err   error
	small []byte

	idle func() // called before each wait: what was made of the data so far can go out
}

func (s *source) init(conn net.Conn, buffers *bufferPool) {
	s.conn, s.buffers = conn, buffers
	// Only the concrete types: a wrapper may promote SyscallConn and still mean
	// its own Read.
	switch c := conn.(type) {
	case *socket.Conn:
		s.raw, _ = c.SyscallConn()
	case *net.TCPConn:
		s.raw, _ = c.SyscallConn()
	case *net.UnixConn:
		s.raw, _ = c.SyscallConn()
	}
	s.try = s.tryRead
}

// unread is what was read and not skipped.
func (s *source) unread() []byte {
	if s.buf == nil {
		return nil
	}
	return s.buf[s.r:s.w]
}

// skip gives up n unread bytes, and the buffer with the last of them.
func (s *source) skip(n int) {
	if s.r += n; s.buf != nil && s.r >= s.w {
		s.drop()
	}
}

// drop gives up the buffer and all that is in it.
func (s *source) drop() {
	if s.buf != nil {
		s.buffers.put(s.buf)
		s.buf, s.r, s.w = nil, 0, 0
	}
}

// wait returns when there is unread data, at once if there is. After an error,
// a timeout included, nothing is lost.
func (s *source) wait() error {
	if s.buf != nil {
		return nil
	}
	return s.more()
}

// more waits for data behind what is unread. It fails when the buffer is full.
func (s *source) more() error {
	if s.buf != nil && s.w == len(s.buf) {
		if s.r == headroom {
			return fmt.Errorf("%w: more than %d bytes", errAnswer, bufferSize)
		}
		s.w = headroom + copy(s.buf[headroom:], s.buf[s.r:s.w])
		s.r = headroom
	}
	if s.idle != nil {
		s.idle()
	}
	if s.raw == nil {
		return s.readSmall()
	}
	if err := s.raw.Read(s.try); err != nil {
		return err
	}
	if s.err == nil && s.n > 0 {
		s.w += s.n
		return nil
	}
	s.release()
	if s.err != nil {
		return s.err
	}
	return io.EOF
}

// hold makes sure that there is a buffer.
func (s *source) hold() {
	if s.buf == nil {
		s.buf, s.r, s.w = s.buffers.get(), headroom, headroom
	}
}

// release gives up a buffer that has nothing in it.
func (s *source) release() {
	if s.r == s.w {
		s.drop()
	}
}

// tryRead is called when the socket may be readable; false waits. An empty
// buffer is taken for the attempt only.
func (s *source) tryRead(fd uintptr) bool {
	s.hold()
	for {
		s.n, s.err = syscall.Read(int(fd), s.buf[s.w:])
		if s.err != syscall.EINTR {
			break
		}
	}
	if s.err == syscall.EAGAIN {
		s.release()
		return false
	}
	return true
}

// readSmall waits with a small buffer; after a read that filled it there is
// likely more, and the next goes straight into a big one.
func (s *source) readSmall() error {
	if s.small == nil {
		s.small = make([]byte, smallRead)
	}
	if s.n >= smallRead || s.buf != nil {
		s.hold()
		n, err := s.conn.Read(s.buf[s.w:])
		s.w += n
		s.n = n
		if n > 0 {
			return nil // an error comes again
		}
		s.release()
		return err
	}
	n, err := s.conn.Read(s.small)
	if n == 0 {
		return err
	}
	s.hold()
	s.w += copy(s.buf[s.w:], s.small[:n])
	s.n = n
	return nil
}

// head returns the bytes up to and with the first empty line, which stay unread;
// skip them when they are no longer looked at. It fails after maxHead bytes.
func (s *source) head() ([]byte, error) {
	from := 0
	for {
		u := s.unread()
		if n := headEnd(u, from); n > 0 {
			return u[:n], nil
		}
		if len(u) >= maxHead {
			return nil, fmt.Errorf("%w: head of more than %d bytes", errAnswer, maxHead)
		}
		from = max(0, len(u)-3)
		if err := s.more(); err != nil {
			return nil, err
		}
	}
}

// line returns the first line without its end, and how many bytes to skip for
// it. It stays unread.
func (s *source) line(limit int) (line []byte, size int, err error) {
	for {
		u := s.unread()
		if i := bytes.IndexByte(u, '\n'); i >= 0 && i < limit {
			return bytes.TrimSuffix(u[:i], []byte{'\r'}), i + 1, nil
		}
		if len(u) >= limit {
			return nil, 0, fmt.Errorf("%w: line of more than %d bytes", errAnswer, limit)
		}
		if err := s.more(); err != nil {
			return nil, 0, err
		}
	}
}

// headEnd is the length of the head at the start of p, 0 when its empty line is
// not there. Nothing before from can be part of that line.
func headEnd(p []byte, from int) int {
	for i := from; ; {
		k := bytes.IndexByte(p[i:], '\n')
		if k < 0 {
			return 0
		}
		i += k + 1
		rest := p[i:]
		if len(rest) > 0 && rest[0] == '\n' {
			return i + 1
		}
		if len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return i + 2
		}
	}
}
