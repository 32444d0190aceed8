package plugins

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// hiding is a guest that answers with all that it finds of earlier requests, and
// hides its own request's secret, which is the path's first four bytes behind the
// slash, wherever it can: in memory, near and far, and in a global; with a query of
// one byte also in a table, of two in the size of a table, of three in the size of
// memory.
func hiding(async bool) []byte {
	g := newAsm()
	global := g.Global(0)
	g.Table(1)
	found, path := g.buffer(28), g.buffer(16)
	cell := g.Space(4)
	g.Memory(2, 0)
	const far = 1<<16 + 4096
	put := func(n uint32, code wasmasm.Code) wasmasm.Code {
		return wasmasm.Do(wasmasm.I32(int32(found.ptr+4*n)), code, wasmasm.Store())
	}
	load := func(at uint32) wasmasm.Code { return wasmasm.Do(wasmasm.I32(int32(at)), wasmasm.Load()) }
	secret := wasmasm.Get(1)
	onQuery := func(n int32, then wasmasm.Code) wasmasm.Code {
		return wasmasm.Do(wasmasm.Get(2), wasmasm.I32(n), wasmasm.Equal(), wasmasm.If(then, nil))
	}
	null := wasmasm.Code{0xd0, 0x70}
	body := wasmasm.Do(
		put(0, load(cell)), put(1, load(far)), put(2, wasmasm.GetGlobal(global)),
		put(3, wasmasm.Do(wasmasm.I32(0), wasmasm.Code{0x25, 0x00, 0xd1})), // table.get, ref.is_null
		put(4, wasmasm.Code{0xfc, 0x10, 0x00}),                             // table.size
		put(5, wasmasm.Code{0x3f, 0x00}),                                   // memory.size
		put(6, load(path.ptr+1)),
		g.call("req_get", req(), 5, 0, 0), wasmasm.Wrap(), wasmasm.Set(2),
		g.drop("respond", req(), 200, "", region{found.ptr, 28}),
		g.drop("req_get", req(), 4, path), load(path.ptr+1), wasmasm.Set(1),
		wasmasm.I32(int32(cell)), secret, wasmasm.Store(), wasmasm.I32(far), secret, wasmasm.Store(),
		secret, wasmasm.SetGlobal(global),
		onQuery(1, wasmasm.Do(wasmasm.I32(0), wasmasm.Code{0xd2, 0x00}, wasmasm.Code{0x26, 0x00})), // table.set with a ref.func
		onQuery(2, wasmasm.Do(null, wasmasm.I32(3), wasmasm.Code{0xfc, 0x0f, 0x00}, wasmasm.Drop())),
		onQuery(3, wasmasm.Do(wasmasm.I32(1), wasmasm.GrowMemory(), wasmasm.Drop())),
		wasmasm.I32(0))
	g.Export("referred", 0) // a function that ref.func may name
	if async {
		return g.async(body, nil, nil)
	}
	return g.module(body)
}

// leaks sends so many requests to such a guest, some of which hide where only
// another instance helps if they are to, and returns how many found something, and
// an example.
func leaks(t *testing.T, p *Plugin, requests int, anywhere bool) (n int, example []byte) {
	t.Helper()
	var clean []byte
	for i := range requests {
		r := newRequest()
		secret := binary.LittleEndian.AppendUint32(nil, uint32(i)|0x80000000)
		r.Path, r.Query = "/"+string(secret), ""
		if where := i % 16; anywhere && where <= 3 {
			r.Query = strings.Repeat("q", where)
		}
		found := []byte(bodyOf(t, decide(t, p, r)))
		if clean == nil {
			clean = found
		}
		if !bytes.Equal(found, clean) {
			n++
			example = found
		}
	}
	return n, example
}

// TestReset sends requests to guests that hide what they know: none of it is
// found by a later one, and an instance that can be reset is used again.
func TestReset(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		isolation Isolation
		async     bool
		requests  int
		anywhere  bool
		copies    bool // of memory, as where none can be mapped
	}{
		"reset":                 {IsolationReset, false, 10_000, false, false},
		"reset anywhere":        {IsolationReset, false, 10_000, true, false},
		"reset asynchronous":    {IsolationReset, true, 2000, true, false},
		"fresh":                 {IsolationFresh, false, 500, true, false},
		"fresh asynchronous":    {IsolationFresh, true, 500, true, false},
		"reset copied":          {IsolationReset, false, 2000, false, true},
		"reset anywhere copied": {IsolationReset, false, 2000, true, true},
		"fresh copied":          {IsolationFresh, false, 500, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.copiesMemory = tt.copies
			p := b.load(t, hiding(tt.async), func(s *Spec) { s.Isolation = tt.isolation })
			first := lastSpare(p)
			if n, example := leaks(t, p, tt.requests, tt.anywhere); n > 0 {
				t.Errorf("%d of %d requests found something, such as %x", n, tt.requests, example)
			}
			if same := lastSpare(p) == first; same == tt.anywhere {
				t.Errorf("that the same instance served all of them is %v", same)
			}
		})
	}
	t.Run("pooled", func(t *testing.T) { // or the test could not fail
		t.Parallel()
		p := newBench(t, Config{}).load(t, hiding(false))
		if n, _ := leaks(t, p, 100, false); n != 99 {
			t.Errorf("%d of 100 requests found what others left in a pooled instance", n)
		}
	})
}

// lastSpare is the instance that serves next.
func lastSpare(p *Plugin) *instance {
	pool := p.current.Load().pool
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if len(pool.spare) == 0 {
		return nil
	}
	return pool.spare[len(pool.spare)-1]
}

// TestResetHandles resets what the host keeps for a guest: a kept result that
// belongs to no request, how many handles there were, and an unfinished line.
func TestResetHandles(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	g := newAsm(func(m *wasmasm.Module) { m.Import(wasiModule, "fd_write", "iiii", "i") })
	kept, line := g.buffer(64), g.Bytes([]byte("half a line of r1"))
	vector := g.Bytes(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, line), 17))
	p := b.load(t, g.script(
		g.record("result_read", 0, 0, 0, kept),
		wasmasm.I32(int32(g.results+8)), wasmasm.Get(0), wasmasm.Store(),
		g.drop("config_get", "key", 0, 0),
		wasmasm.Call(wasmasm.Func(len(g.fn)), wasmasm.I32(1), wasmasm.I32(int32(vector)), wasmasm.I32(1), wasmasm.I32(int32(kept.ptr))), wasmasm.Drop()),
		func(s *Spec) {
			s.Isolation, s.Config = IsolationReset, map[string]json.RawMessage{"key": json.RawMessage(`"secret"`)}
		})
	for range 3 {
		a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
		a.want(0, "a result that another request left", abi.OK, 0)
		if handle := binary.LittleEndian.Uint32(a.body[8:]); handle != 1 {
			t.Errorf("the request has the handle %d", handle)
		}
	}
	if lines := strings.Count(b.book.String(), `msg="half a line of r1"`); lines != 3 {
		t.Errorf("%d lines were logged, want 3; the log:\n%s", lines, b.book)
	}
}

// BenchmarkReset is a decision of a tiny guest whose instance is reset after it,
// beside one that is not.
func BenchmarkReset(b *testing.B) {
	for _, pages := range []uint32{1, 2, 17} {
		for _, isolation := range []Isolation{IsolationPooled, IsolationReset} {
			b.Run(fmt.Sprintf("%s/%dKiB", isolation, pages*64), func(b *testing.B) {
				p := newBench(b, Config{}).load(b, small(pages), func(s *Spec) { s.Isolation = isolation })
				r := newRequest()
				defer reportCPU(b)()
				for b.Loop() {
					if _, err := p.Decide(context.Background(), r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
