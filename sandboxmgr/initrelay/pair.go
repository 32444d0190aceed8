package initrelay

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

const (
	headSize = 2
	// maxChunk is the most that one frame carries.
	maxChunk = 32 << 10
)

// errGone: the other side's owner left without ending its direction.
var errGone = errors.New("the other side has gone")

// chunks are taken while there is something to move: an idle connection holds
// none.
var chunks = sync.Pool{New: func() any { b := make([]byte, headSize+maxChunk); return &b }}

// pair is a connection and the stream that carries it.
type pair struct {
	conn   *net.UnixConn
	stream net.Conn
	once   sync.Once
}

// run moves bytes both ways until both directions have ended or either side has
// gone. It closes both.
func (p *pair) run() {
	defer p.close()
	var in sync.WaitGroup
	in.Go(p.inbound)
	defer in.Wait()
	if p.outbound() != io.EOF || p.send(nil) != nil || AwaitHangup(p.conn) {
		p.close()
	}
}

// close ends both; without an end frame before, that tells the other side that
// this one has gone.
func (p *pair) close() {
	p.once.Do(func() {
		p.conn.Close()
		p.stream.Close()
	})
}

// outbound moves what the connection says, up to its end (io.EOF).
func (p *pair) outbound() error {
	rc, err := p.conn.SyscallConn()
	for err == nil {
		err = p.readReady(rc)
	}
	return err
}

// readReady waits until there is something to read and sends it.
func (p *pair) readReady(rc syscall.RawConn) error {
	var n int
	var failed error
	var buf *[]byte
	err := rc.Read(func(fd uintptr) bool {
		buf = chunks.Get().(*[]byte)
		n, failed = syscall.Read(int(fd), (*buf)[headSize:])
		for failed == syscall.EINTR {
			n, failed = syscall.Read(int(fd), (*buf)[headSize:])
		}
		if failed == syscall.EAGAIN {
			chunks.Put(buf)
			buf = nil
			return false
		}
		return true
	})
	if buf != nil {
		defer chunks.Put(buf)
	}
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case n == 0:
		return io.EOF
	}
	binary.BigEndian.PutUint16(*buf, uint16(n))
	_, err = p.stream.Write((*buf)[:headSize+n])
	return err
}

// send sends one frame; an empty one ends the direction.
func (p *pair) send(b []byte) error {
	frame := binary.BigEndian.AppendUint16(make([]byte, 0, headSize+len(b)), uint16(len(b)))
	_, err := p.stream.Write(append(frame, b...))
	return err
}

// inbound moves what the stream says to the connection, and notices, also after
// the direction's end, that the other side has gone.
func (p *pair) inbound() {
	err := receive(p.stream, p.conn)
	if err == nil {
		err = p.conn.CloseWrite()
	}
	if err != nil {
		p.close()
		return
	}
	var b [1]byte
	// Nothing may follow the end: whatever comes is the other side's leaving, by
	// its own word or by breaking the rule.
	_, _ = p.stream.Read(b[:])
	p.close()
}

// receive copies frames from r to w until the end frame.
func receive(r io.Reader, w io.Writer) error {
	for {
		n, err := head(r)
		if err != nil || n == 0 {
			return err
		}
		if err := copyChunk(r, w, n); err != nil {
			return err
		}
	}
}

func head(r io.Reader) (int, error) {
	var h [headSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, errors.Join(errGone, err)
	}
	return int(binary.BigEndian.Uint16(h[:])), nil
}

// copyChunk copies n bytes.
func copyChunk(r io.Reader, w io.Writer, n int) error {
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	for n > 0 {
		part := (*buf)[:min(n, len(*buf))]
		if _, err := io.ReadFull(r, part); err != nil {
			return errors.Join(errGone, err)
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		n -= len(part)
	}
	return nil
}
