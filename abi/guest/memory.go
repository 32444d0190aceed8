package guest

import (
	"runtime"
	"unsafe"

	"edge/abi"
)

// What every request needs is taken off larger pieces: an allocation costs a module
// more than all else it does for a small request. Nothing is given out twice, so that
// what a plugin keeps stays as it is; who keeps a little keeps its piece.

// alone says that nothing in this process runs at the same time. It is so in a
// module; a test may make answers in many goroutines, and each gets memory of its own.
const alone = runtime.GOARCH == "wasm"

const (
	// textPiece is what the texts of some ten requests lie in, in bytes.
	textPiece = 1 << 10
	// textRoom is what the host is offered for a text at first, in bytes.
	textRoom = 256
	// batch is how many requests, and how many answers, are made at a time.
	batch = 16
)

// texts gives out memory for texts.
type texts struct {
	piece []byte
	used  int
}

// room returns where the host may write a text of at least textRoom bytes.
func (t *texts) room() []byte {
	if t.used > len(t.piece)-textRoom {
		t.piece, t.used = make([]byte, textPiece), 0
	}
	return t.piece[t.used:]
}

// take gives out the first n bytes of the room that was asked for last; they are the
// caller's from now on.
func (t *texts) take(room []byte, n int) []byte {
	t.used += n
	return room[:n:n]
}

// memory returns where a request's texts go.
func memory() *texts {
	if !alone {
		return new(texts)
	}
	return &instance.texts
}

// copyOf returns the bytes of s.
func (t *texts) copyOf(s string) []byte {
	if !alone || len(s) > textRoom {
		return []byte(s)
	}
	b := t.room()
	return t.take(b, copy(b, s))
}

// fields remembers what was read of one request: there is one at a time, and most
// handlers read little.
type fields struct {
	of     *Request
	known  uint16 // a bit for each
	values [abi.FieldURL + 1]string
}

// asText returns bytes that nobody writes to any more as a string.
func asText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// cells gives out zero values of a type.
type cells[T any] struct {
	batch *[batch]T
	left  int
}

func (c *cells[T]) next() *T {
	if !alone {
		return new(T)
	}
	if c.left == 0 {
		c.batch, c.left = new([batch]T), batch
	}
	c.left--
	return &c.batch[c.left%batch]
}
