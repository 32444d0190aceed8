package bridge

import "sync"

const (
	// bufferSize is what one read of a readable connection may take. A bridge
	// holds at most one buffer a direction, and only while there is data in it.
	bufferSize = 64 << 10
	// headroom stands free at the front of a buffer, for the bytes of a split
	// frame header or for the size line of a chunk.
	headroom = 16
)

// buffer is headroom and room for one read.
type buffer [headroom + bufferSize]byte

// bufferPool hands out buffers. The zero value is ready.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return new(buffer)
}

func (p *bufferPool) put(b *buffer) { p.pool.Put(b) }
