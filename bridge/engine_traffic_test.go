package bridge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	maxTraffic = 256 << 10 // the largest payload that traffic holds
	forever    = -1        // has it sent until nobody takes it
)

// noise is what payloads are cut from.
var noise = sync.OnceValue(func() []byte {
	p := make([]byte, 2*maxTraffic)
	rand.NewChaCha8([32]byte{4}).Read(p)
	return p
})

// traffic is an endless stream of good frames that a seed determines: whoever
// hears it can make it again, and compare byte by byte what arrived with what was
// said. That is a checksum of every prefix.
type traffic struct {
	rnd      *rand.Rand
	masked   bool
	open     bool   // a fragmented message is under way
	head     []byte // what is left of the current frame's header
	payload  []byte // and of its payload
	fresh    bool   // nothing of it was taken
	last     bool   // it ends a message
	sent     int64  // bytes taken
	messages int64  // whole ones taken

	header [maxHeader]byte
}

func newTraffic(seed uint64, masked bool) *traffic {
	noise()
	return &traffic{rnd: rand.New(rand.NewPCG(seed, 6455)), masked: masked}
}

// ahead is the rest of the current frame's header, or of its payload; never empty.
func (t *traffic) ahead() []byte {
	if len(t.head)+len(t.payload) == 0 {
		t.make()
	}
	if len(t.head) > 0 {
		return t.head
	}
	return t.payload
}

// took says that n bytes of what is ahead are done with.
func (t *traffic) took(n int) {
	if len(t.head) > 0 {
		t.head = t.head[n:]
	} else {
		t.payload = t.payload[n:]
	}
	t.sent += int64(n)
	t.fresh = t.fresh && n == 0
	if len(t.head)+len(t.payload) == 0 && t.last {
		t.messages++
		t.last = false
	}
}

// between says that the stream stands between two frames.
func (t *traffic) between() bool { return t.fresh || len(t.head)+len(t.payload) == 0 }

// size draws a payload length: many are small, some do not fit a buffer.
func (t *traffic) size() int {
	switch k := t.rnd.IntN(20); {
	case k < 10:
		return t.rnd.IntN(126)
	case k < 16:
		return t.rnd.IntN(4 << 10)
	case k < 19:
		return t.rnd.IntN(64 << 10)
	}
	return t.rnd.IntN(maxTraffic)
}

// make makes the next frame: data in one piece or in fragments, control frames
// between them, never a Close nor an empty Ping.
func (t *traffic) make() {
	b0, n := byte(opBinary), t.size()
	switch k := t.rnd.IntN(10); {
	case k == 0:
		b0, n = bitFin|opPing+byte(t.rnd.IntN(2)), 1+n%maxControl
	default:
		if t.open {
			b0 = opContinuation
		}
		if t.open = k < 4; !t.open {
			b0 |= bitFin
			t.last = true
		}
	}
	m := byte(0)
	if t.masked {
		m = bitMask
	}
	f := append(t.header[:0], b0)
	switch {
	case n < 126:
		f = append(f, m|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, m|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, m|127), uint64(n))
	}
	if t.masked {
		f = binary.BigEndian.AppendUint32(f, t.rnd.Uint32())
	}
	at := t.rnd.IntN(len(noise()) - n)
	t.head, t.payload, t.fresh = f, noise()[at:at+n], true
}

// fill sends until nothing is taken any more for some time.
func fill(t testing.TB, c *raw, tr *traffic) {
	t.Helper()
	if err := full(c, tr); err != nil {
		t.Errorf("fill: %v", err)
	}
}

// full is fill that tells why nothing more could be sent; nil if nothing is taken.
func full(c *raw, tr *traffic) error {
	for tr.sent <= 256<<20 {
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := c.Write(tr.ahead())
		tr.took(n)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.SetWriteDeadline(time.Now().Add(3 * wait))
			return nil
		case err != nil:
			return err
		}
	}
	return errBottomless
}

var errBottomless = errors.New("256 MiB were taken for a peer that does not read")

// send sends total bytes, and what is missing of the last frame, in random slices
// with random pauses; forever sends to the first error.
func (t *traffic) send(c net.Conn, total int64, pace *rand.Rand) error {
	buf := make([]byte, 0, 64<<10)
	for total < 0 || t.sent < total || !t.between() {
		slice := 1 + pace.IntN(1<<(1+pace.IntN(16)))
		buf = buf[:0]
		for len(buf) < slice && (total < 0 || t.sent < total || !t.between()) {
			p := t.ahead()
			p = p[:min(len(p), slice-len(buf))]
			buf = append(buf, p...)
			t.took(len(p))
		}
		n, err := c.Write(buf)
		if err != nil {
			t.sent -= int64(len(buf) - n)
			return err
		}
		pause(pace)
	}
	return nil
}

// pause disturbs the timing of a transfer now and then; nothing waits for it.
func pause(pace *rand.Rand) {
	if pace.IntN(500) == 0 {
		time.Sleep(time.Duration(pace.IntN(3000)) * time.Microsecond)
	}
}

// verify reads r to its end, in random slices if there is a pace. It returns how
// many bytes are exactly the stream, and the first of those that are not.
func (t *traffic) verify(r io.Reader, pace *rand.Rand) (n int64, tail []byte, err error) {
	buf := make([]byte, 32<<10)
	for {
		p := buf
		if pace != nil {
			p = buf[:1+pace.IntN(len(buf))]
			pause(pace)
		}
		k, err := r.Read(p)
		for p = p[:k]; len(p) > 0 && tail == nil; {
			a := t.ahead()
			m := min(len(p), len(a))
			if !bytes.Equal(p[:m], a[:m]) {
				for m = 0; p[m] == a[m]; m++ {
				}
				t.took(m)
				tail, p = []byte{}, p[m:]
				break
			}
			t.took(m)
			p = p[m:]
		}
		if tail != nil && len(tail) < 1024 {
			tail = append(tail, p...)
		}
		if err == io.EOF {
			return t.sent, tail, nil
		}
		if err != nil {
			return t.sent, tail, err
		}
	}
}

// prefix is verify for a run that a fault may have cut short: what arrived is an
// exact prefix. Behind it there is nothing, or if the stream stands between two
// frames one Close frame of the edge's.
func (t *traffic) prefix(r io.Reader, pace *rand.Rand) (n, code int64, err error) {
	n, tail, err := t.verify(r, pace)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return n, 0, err
	}
	if len(tail) == 0 {
		return n, 0, nil
	}
	// What reaches the backend is masked: the same way as t itself.
	code, ok := wholeClose(tail, t.masked)
	if !ok || !t.between() {
		return n, 0, fmt.Errorf("after %d bytes, between frames %v: % .40x", n, t.between(), tail)
	}
	return n, code, nil
}

// wholeClose says whether p is exactly one Close frame with a code, and which.
func wholeClose(p []byte, masked bool) (code int64, ok bool) {
	h := 2
	if masked {
		h = 6
	}
	if len(p) < h+2 || p[0] != bitFin|opClose || masked != (p[1]&bitMask != 0) || len(p) != h+int(p[1]&^bitMask) {
		return 0, false
	}
	code = int64(p[h])<<8 | int64(p[h+1])
	if masked {
		code ^= int64(p[2])<<8 | int64(p[3])
	}
	return code, true
}
