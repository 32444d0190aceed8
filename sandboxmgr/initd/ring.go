package initd

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"edge/abi"
)

// ring keeps the last bytes of a stream, at most max, and counts all that ever
// came. It grows with what is written, as long as the budget that
// it shares with the other rings allows; then it forgets sooner.
type ring struct {
	budget *budget
	max    int // bytes; abi.LogRingBytes if 0

	mu     sync.Mutex // guards all below
	buf    []byte     // circular
	head   int        // index of the oldest byte kept
	held   int        // bytes kept
	total  int64      // bytes ever written
	taken  int        // bytes taken from the budget
	freed  bool
	follow []lineSink
	wakes  []chan<- struct{} // get one, if they have room, when there is more
}

// lineSink is fed with a stream as it is written. feed is called with the
// ring's lock held, so it sees every byte once and in order.
type lineSink interface{ feed(p []byte) }

// Write appends p; it never fails.
func (r *ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total += int64(len(p))
	for _, s := range r.follow {
		s.feed(p)
	}
	for _, ch := range r.wakes {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	if r.freed || len(p) == 0 {
		return len(p), nil
	}
	r.reserve(r.held + len(p))
	rest := p
	if over := len(rest) - len(r.buf); over > 0 {
		rest = rest[over:]
	}
	if over := r.held + len(rest) - len(r.buf); over > 0 {
		r.head = (r.head + over) % len(r.buf)
		r.held -= over
	}
	at := (r.head + r.held) % len(r.buf)
	n := copy(r.buf[at:], rest)
	copy(r.buf, rest[n:])
	r.held += len(rest)
	return len(p), nil
}

// reserve grows the buffer so that want bytes fit, as far as it may.
func (r *ring) reserve(want int) {
	limit := cmp.Or(r.max, abi.LogRingBytes)
	if want <= len(r.buf) || len(r.buf) == limit {
		return
	}
	size := max(len(r.buf), 4<<10)
	for size < want && size < limit {
		size *= 2
	}
	if beyond := size - max(len(r.buf), ringFloor); beyond > 0 {
		switch {
		case r.budget.take(beyond):
			r.taken += beyond
		case len(r.buf) < ringFloor:
			size = ringFloor
		default:
			return
		}
	}
	next := make([]byte, size)
	r.copyTo(next, 0)
	r.buf, r.head = next, 0
}

// copyTo copies what is kept, from the skip-th byte on, to p.
func (r *ring) copyTo(p []byte, skip int) {
	if r.held == skip {
		return
	}
	at := (r.head + skip) % len(r.buf)
	n := copy(p, r.buf[at:min(at+r.held-skip, len(r.buf))])
	copy(p[n:], r.buf[:r.held-skip-n])
}

// since returns a copy of what is kept from offset on, the offset of its first
// byte and the one after its last. An offset beyond the stream is its end.
func (r *ring) since(offset int64) (data []byte, from, to int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.total - int64(r.held)
	from = min(max(offset, oldest), r.total)
	data = make([]byte, r.total-from)
	r.copyTo(data, int(from-oldest))
	return data, from, r.total
}

// read copies what is kept from offset on to p, as much as fits. The offset is
// one that is kept, or the stream's end.
func (r *ring) read(p []byte, offset int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.copySome(p, int(offset-(r.total-int64(r.held))))
}

// copySome copies what is kept, from the skip-th byte on, to p, as much as fits.
// The caller holds mu.
func (r *ring) copySome(p []byte, skip int) int {
	if len(p) == 0 || skip >= r.held {
		return 0
	}
	at := (r.head + skip) % len(r.buf)
	n := min(len(p), r.held-skip)
	first := copy(p[:n], r.buf[at:])
	copy(p[first:n], r.buf)
	return n
}

// piece copies what is kept from offset on to p, as much as fits and not beyond
// the offset end, and returns it with the offset of its first byte: a later one,
// if some are lost.
func (r *ring) piece(p []byte, offset, end int64) (data []byte, from int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.total - int64(r.held)
	from = min(max(offset, oldest), end)
	p = p[:min(int64(len(p)), end-from)]
	return p[:r.copySome(p, int(from-oldest))], from
}

// room is how many bytes can be written without one from offset on being
// forgotten.
func (r *ring) room(offset int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(len(r.buf), ringFloor) - int(r.total-offset)
}

// span returns the offset of the first byte that is kept and the one after the
// last.
func (r *ring) span() (from, to int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total - int64(r.held), r.total
}

// written counts all that ever came.
func (r *ring) written() int64 {
	_, to := r.span()
	return to
}

// tail returns a copy of the last n bytes or fewer.
func (r *ring) tail(n int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = min(n, r.held)
	p := make([]byte, n)
	r.copyTo(p, r.held-n)
	return p
}

// attach feeds s with what is kept and with all that follows, until detach.
func (r *ring) attach(s lineSink) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.buf[min(r.head, len(r.buf)):min(r.head+r.held, len(r.buf))]
	s.feed(first)
	s.feed(r.buf[:r.held-len(first)])
	r.follow = append(r.follow, s)
}

func (r *ring) detach(s lineSink) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, f := range r.follow {
		if f == s {
			r.follow = append(r.follow[:i], r.follow[i+1:]...)
			return
		}
	}
}

// watch has ch nudged whenever something was written, until unwatch. Whoever
// watches reads at a pace of its own and holds up nobody.
func (r *ring) watch(ch chan<- struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakes = append(r.wakes, ch)
}

func (r *ring) unwatch(ch chan<- struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakes = slices.DeleteFunc(r.wakes, func(c chan<- struct{}) bool { return c == ch })
}

// lastLines returns the offset at which the last n lines begin of what is kept
// from offset on. A newline at the very end does not begin another line.
func (r *ring) lastLines(offset int64, n int) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.total - int64(r.held)
	from := min(max(offset, oldest), r.total)
	at := r.total - 1 // a newline here ends the last line
	for range n {
		if at = r.newlineBefore(at, from); at < 0 {
			return from
		}
	}
	return at + 1
}

// newlineBefore returns the offset of the last newline before at, not before
// from, or -1. The caller holds mu.
func (r *ring) newlineBefore(at, from int64) int64 {
	for at > from { // at most twice: the buffer is circular
		oldest := r.total - int64(r.held)
		end := (r.head+int(at-oldest)-1)%len(r.buf) + 1
		n := min(end, int(at-from))
		if i := bytes.LastIndexByte(r.buf[end-n:end], '\n'); i >= 0 {
			return at - int64(n) + int64(i)
		}
		at -= int64(n)
	}
	return -1
}

// free gives the memory back; what is written afterwards is only counted.
func (r *ring) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.budget.give(r.taken)
	r.buf, r.head, r.held, r.taken, r.freed = nil, 0, 0, 0, true
}
