package plugins

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// growing is a guest with 40 pages of memory that answers with four numbers: how many
// requests it had, what memory.grow by 8 pages says, how many pages there are, and what
// is at the beginning of the last one, where it writes 7.
func growing() []byte {
	g := newAsm()
	g.Memory(40, 0)
	out := g.buffer(16)
	cell := wasmasm.I32(int32(g.Space(4)))
	g.Bytes([]byte("what memory has at first"))
	put := func(n uint32, code ...wasmasm.Code) wasmasm.Code {
		return wasmasm.Do(wasmasm.I32(int32(out.ptr+4*n)), wasmasm.Do(code...), wasmasm.Store())
	}
	pages, shl := wasmasm.Code{0x3f, 0x00}, wasmasm.Code{0x74}
	return g.module(
		put(0, cell, wasmasm.Load()),
		put(1, wasmasm.I32(8), wasmasm.GrowMemory()),
		put(2, pages),
		pages, wasmasm.I32(-1), wasmasm.Add(), wasmasm.I32(16), shl, wasmasm.Set(1),
		put(3, wasmasm.Get(1), wasmasm.Load()),
		wasmasm.Get(1), wasmasm.I32(7), wasmasm.Store(),
		cell, cell, wasmasm.Load(), wasmasm.I32(1), wasmasm.Add(), wasmasm.Store(),
		g.drop("respond", req(), 200, "", out), wasmasm.I32(0))
}

// grown is what it answers to one request.
func grown(t *testing.T, p *Plugin) (answer [4]int32) {
	t.Helper()
	body := bodyOf(t, decide(t, p, newRequest()))
	if _, err := binary.Decode([]byte(body), binary.LittleEndian, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// bothMemories runs a test with instances' memory as it is on this system, which is
// mapped on Linux, and copied.
func bothMemories(t *testing.T, test func(t *testing.T, b *bench)) {
	for _, copies := range []bool{false, true} {
		t.Run(fmt.Sprintf("copies=%v", copies), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.copiesMemory = copies
			test(t, b)
		})
	}
}

// TestMemoryGrows has memory grow as far as it may, by zeros, refuses more so that the
// guest goes on, and begins anew in the next instance.
func TestMemoryGrows(t *testing.T) {
	t.Parallel()
	first := [4]int32{0, 40, 48, 0}
	for isolation, want := range map[Isolation][][4]int32{
		IsolationPooled: {first, {1, 48, 56, 0}, {2, 56, 64, 0}, {3, -1, 64, 7}, {4, -1, 64, 7}},
		IsolationReset:  {first, first, first, first, first},
		IsolationFresh:  {first, first, first, first, first},
	} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			bothMemories(t, func(t *testing.T, b *bench) {
				p := b.load(t, growing(), func(s *Spec) { s.Isolation, s.Memory, s.MaxInstances = isolation, 64*wasmPage, 1 })
				var got [][4]int32
				for range want {
					got = append(got, grown(t, p))
				}
				if !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		})
	}
}

// TestMemoryGrownAtFirst resets a guest whose edge_init has memory grow, and writes to one
// of the new pages: that one is reset, and so is another, to which requests write alone.
func TestMemoryGrownAtFirst(t *testing.T) {
	t.Parallel()
	g := newAsm()
	g.Memory(2, 0)
	out := g.buffer(8)
	g.Bytes([]byte("what memory has at first"))
	const early, late = 2*wasmPage + 8, 3*wasmPage + 16
	copyTo := func(n uint32, at int32) wasmasm.Code {
		return wasmasm.Do(wasmasm.I32(int32(out.ptr+4*n)), wasmasm.I32(at), wasmasm.Load(), wasmasm.Store())
	}
	set := func(at, v int32) wasmasm.Code {
		return wasmasm.Do(wasmasm.I32(at), wasmasm.I32(v), wasmasm.Store())
	}
	g.Func("edge1", "", "", "")
	g.Func("edge_init", "", "i", "", wasmasm.I32(2), wasmasm.GrowMemory(), wasmasm.Drop(), set(early, 5), wasmasm.I32(0))
	g.Func("edge_request", "i", "i", "", copyTo(0, early), copyTo(1, late), set(early, 6), set(late, 7),
		g.drop("respond", req(), 200, "", out), wasmasm.I32(0))
	module := g.Encode()
	bothMemories(t, func(t *testing.T, b *bench) {
		p := b.load(t, module, func(s *Spec) { s.Isolation = IsolationReset })
		first := lastSpare(p)
		for range 3 {
			if got := bodyOf(t, decide(t, p, newRequest())); got != "\x05\x00\x00\x00\x00\x00\x00\x00" {
				t.Errorf("got %q", got)
			}
		}
		if lastSpare(p) != first {
			t.Error("the instance was not used again")
		}
	})
}

// TestMemoryApart has instances that come and go beside each other begin alike.
func TestMemoryApart(t *testing.T) {
	t.Parallel()
	bothMemories(t, func(t *testing.T, b *bench) {
		p := b.load(t, growing(), func(s *Spec) { s.Isolation, s.MaxInstances = IsolationFresh, 8 })
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					d, err := p.Decide(t.Context(), newRequest())
					if err != nil {
						t.Error(err)
						return
					}
					body := d.(*abi.Respond).Body
					if n := binary.LittleEndian.Uint32(body); n != 0 {
						t.Errorf("an instance of its own had %d requests before", n)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// lateBody is a client that sends when it is told to, and who knows nothing of deadlines.
type lateBody struct {
	begun chan struct{} // closed by the first read
	send  chan struct{} // closed to have reads return
	once  sync.Once
}

func (l *lateBody) Read(p []byte) (int, error) {
	l.once.Do(func() { close(l.begun) })
	<-l.send
	for i := range p {
		p[i] = 'x'
	}
	return len(p), io.EOF
}

// TestMemoryOfKilled stops a plugin while a read of the body is under way, which writes to
// the guest's memory when its request, its client and the registry have long given up.
func TestMemoryOfKilled(t *testing.T) {
	t.Parallel()
	for _, isolation := range []Isolation{IsolationPooled, IsolationReset, IsolationFresh} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			bothMemories(t, func(t *testing.T, b *bench) {
				g := newAsm()
				out := g.buffer(64 << 10)
				p := b.load(t, g.script(g.record("req_body_read", req(), out)), func(s *Spec) { s.Isolation = isolation })
				body := &lateBody{begun: make(chan struct{}), send: make(chan struct{})}
				r := newRequest()
				r.Body = body
				decided := make(chan error, 1)
				go func() {
					_, err := p.Decide(t.Context(), r)
					decided <- err
				}()
				await(t, body.begun, "a read")
				killed := p.current.Load().killed
				late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				closed := make(chan error, 1)
				go func() { closed <- b.Close(late) }()
				await(t, killed.Done(), "the end of Close's patience")
				close(body.send)
				if err := await(t, decided, "Decide"); err == nil {
					t.Error("a request that was stopped has a decision")
				}
				if err := await(t, closed, "Close"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("closing in the middle of a call: %v", err)
				}
			})
		})
	}
}

// await receives within patience.
func await[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("waited too long for %s", what)
	}
	return v
}

// TestMemoryOutlivesRuntime closes the runtime under an instance: its memory is there
// until the instance ends.
func TestMemoryOutlivesRuntime(t *testing.T) {
	t.Parallel()
	bothMemories(t, func(t *testing.T, b *bench) {
		p := b.load(t, growing())
		in := lastSpare(p)
		if err := in.gen.program.runtime.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		memory, ok := in.mem.Read(0, in.mem.Size())
		if !ok {
			t.Fatal("memory cannot be read")
		}
		memory[len(memory)-1]++ // or the process ends here
	})
}
