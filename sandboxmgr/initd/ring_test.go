package initd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"edge/abi"
)

// TestRingAgainstModel writes pieces of all sizes and compares with the whole
// stream.
func TestRingAgainstModel(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		limit := abi.LogRingBytes
		if round%2 == 1 {
			limit = abi.TerminalReplayBytes
		}
		r := &ring{budget: newBudget(ringBudget), max: limit}
		var all []byte
		for range 60 {
			p := make([]byte, rnd.IntN(1<<rnd.IntN(19)))
			for i := range p {
				p[i] = byte(rnd.Uint32())
			}
			if n, err := r.Write(p); n != len(p) || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
			all = append(all, p...)
			offset := int64(rnd.IntN(len(all) + 1))
			got, from, to := r.since(offset)
			if to != int64(len(all)) || from < offset || !bytes.Equal(got, all[from:]) {
				t.Fatalf("since %d of %d: %d bytes from %d to %d", offset, len(all), len(got), from, to)
			}
			if kept := min(len(all), limit); from > offset && from != int64(len(all)-kept) {
				t.Fatalf("%d bytes are lost although %d are kept", from-offset, kept)
			}
			piece := make([]byte, rnd.IntN(100000))
			if n := r.read(piece, from); n != min(len(piece), len(got)) || !bytes.Equal(piece[:n], got[:n]) {
				t.Fatalf("read %d bytes of %d from %d", n, len(got), from)
			}
			if room := r.room(from); len(r.buf) > 0 && room != max(len(r.buf), ringFloor)-len(got) {
				t.Fatalf("room for %d bytes with %d of %d kept", room, len(got), len(r.buf))
			}
			if n := rnd.IntN(5000); !bytes.HasSuffix(all, r.tail(n)) {
				t.Fatal("the tail is another stream's")
			}
		}
	}
}

// TestRingBudget: rings that may not grow keep their floor, and what was taken
// is given back.
func TestRingBudget(t *testing.T) {
	t.Parallel()
	b := newBudget(100 << 10)
	rings := make([]*ring, 8)
	for i := range rings {
		rings[i] = &ring{budget: b}
		rings[i].Write(bytes.Repeat([]byte("x"), 200<<10))
		got, _, to := rings[i].since(0)
		if len(got) < ringFloor || to != 200<<10 {
			t.Errorf("ring %d keeps %d bytes of %d", i, len(got), to)
		}
	}
	if left := b.left.Load(); left < 0 {
		t.Errorf("the budget is overdrawn: %d", left)
	}
	for _, r := range rings {
		r.free()
		r.Write([]byte("late"))
		if got, _, to := r.since(0); len(got) != 0 || to != 200<<10+4 {
			t.Errorf("a freed ring keeps %d bytes of %d", len(got), to)
		}
	}
	if left := b.left.Load(); left != 100<<10 {
		t.Errorf("%d bytes are left of the budget", left)
	}
	small := &ring{budget: b}
	small.Write([]byte("hi"))
	if len(small.buf) > 4<<10 {
		t.Errorf("two bytes take %d", len(small.buf))
	}
}

// sinkFunc is a lineSink.
type sinkFunc func(p []byte)

func (f *sinkFunc) feed(p []byte) { (*f)(p) }

// TestRingFollowers: a follower that is attached while somebody writes sees
// every byte once.
func TestRingFollowers(t *testing.T) {
	t.Parallel()
	r := &ring{budget: newBudget(ringBudget)}
	var all strings.Builder
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 20000 {
			fmt.Fprintf(r, "%d\n", i)
		}
	})
	for i := range 20000 {
		fmt.Fprintf(&all, "%d\n", i)
	}
	var seen strings.Builder
	f := sinkFunc(func(p []byte) { seen.Write(p) })
	r.attach(&f)
	writer.Wait()
	r.detach(&f)
	r.Write([]byte("more"))
	if seen.String() != all.String() {
		t.Errorf("saw %d bytes of %d", seen.Len(), all.Len())
	}
}

func TestReadLogsAtCharacters(t *testing.T) {
	t.Parallel()
	r := &ring{budget: newBudget(0)}                      // keeps ringFloor
	r.Write([]byte("x" + strings.Repeat("€", ringFloor))) // a cut falls into a character
	data, dropped, next := readStream(r, 0, true)
	if !utf8.Valid(data) || dropped+int64(len(data)) != next || next != 1+3*ringFloor {
		t.Errorf("valid %v, %d dropped, %d read, next %d", utf8.Valid(data), dropped, len(data), next)
	}
	r.Write([]byte("\xe2\x82"))
	if data, _, after := readStream(r, next, true); len(data) != 0 || after != next {
		t.Errorf("half a character: %q, next %d", data, after)
	}
	if data, _, after := readStream(r, next, false); len(data) != 2 || after != next+2 {
		t.Errorf("half a character at the end: %q, next %d", data, after)
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"a\nb\nc\n", 0, "a\nb\nc\n"}, {"a\nb\nc\n", 1, "c\n"}, {"a\nb\nc", 2, "b\nc"}, {"a\nb\n", 9, "a\nb\n"}, {"", 3, ""}, {"\n\n\n", 1, "\n"},
	} {
		if got := string(lastLines([]byte(tt.in), tt.n)); got != tt.want {
			t.Errorf("%d of %q: got %q, want %q", tt.n, tt.in, got, tt.want)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("7.1024.0")
	f.Add("7.-1.0")
	f.Add(" 7.1.1")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseCursor(s, 7)
		if err != nil {
			return
		}
		if c.out < 0 || c.err < 0 || c.run != 7 {
			t.Errorf("%q became %+v", s, c)
		}
		if again, err := parseCursor(c.String(), 7); err != nil || again != c {
			t.Errorf("%q: %+v became %+v, %v", s, c, again, err)
		}
	})
}

func BenchmarkRing(b *testing.B) {
	r := &ring{budget: newBudget(ringBudget)}
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		r.Write(p)
	}
}
