package bridge

import (
	"bufio"
	"io"
	"sync"
	"syscall"
)

// bulkSize is the size of the buffers that large bodies go through: a fifth less
// work than with those of 64 KiB. splice(2) would save as little again, see
// RATIONALE.md.
const bulkSize = 256 << 10

// bulkPool hands out large buffers. The zero value is ready.
type bulkPool struct{ pool sync.Pool }

func (p *bulkPool) get() *[bulkSize]byte {
	if b, ok := p.pool.Get().(*[bulkSize]byte); ok {
		return b
	}
	return new([bulkSize]byte)
}

func (p *bulkPool) put(b *[bulkSize]byte) { p.pool.Put(b) }

// bulkReader reads a socket into large buffers, of which it holds one only while
// there is something in it.
type bulkReader struct {
	raw     syscall.RawConn
	buffers *bulkPool
	buf     *[bulkSize]byte
	limit   int64
	n       int
	err     error
}

// next waits for data and returns at most limit bytes of it, which are the
// caller's until release.
func (r *bulkReader) next(try func(fd uintptr) bool, limit int64) ([]byte, error) {
	r.limit = min(limit, bulkSize)
	if err := r.raw.Read(try); err != nil {
		return nil, err
	}
	switch {
	case r.err != nil:
		r.release()
		return nil, r.err
	case r.n == 0:
		r.release()
		return nil, io.EOF
	}
	return r.buf[:r.n], nil
}

// try reads once, if the socket is readable.
func (r *bulkReader) try(fd uintptr) bool {
	r.buf = r.buffers.get()
	for {
		r.n, r.err = syscall.Read(int(fd), r.buf[:r.limit])
		if r.err != syscall.EINTR {
			break
		}
	}
	if r.err == syscall.EAGAIN {
		r.release()
		return false
	}
	return true
}

func (r *bulkReader) release() {
	r.buffers.put(r.buf)
	r.buf = nil
}

// large says whether the body had better go through large buffers.
func (b *answerBody) large() bool { return b.a.length >= bulkSize && b.c.src.raw != nil }

// copyLarge is copy of a body of known length.
func (b *answerBody) copyLarge(bw *bufio.Writer) error {
	for len(b.c.src.unread()) > 0 && b.left > 0 {
		p, err := b.next()
		if err != nil {
			return err
		}
		_, err = bw.Write(p)
		b.consume(len(p))
		if err != nil {
			return b.fail(err)
		}
	}
	if err := bw.Flush(); err != nil {
		return b.fail(err)
	}
	r := &bulkReader{raw: b.c.src.raw, buffers: &b.x.relay.bulk}
	try := r.try
	for b.left > 0 {
		room, err := b.room()
		if err != nil {
			return err
		}
		p, err := r.next(try, min(b.left, room))
		if err != nil {
			return b.fail(err)
		}
		_, err = b.x.client.Write(p)
		r.release()
		b.left -= int64(len(p))
		b.x.count(&b.x.out, len(p))
		if err != nil {
			return b.fail(err)
		}
	}
	b.err = io.EOF
	return nil
}
