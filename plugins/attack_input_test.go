package plugins

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// bigGuest is a guest with 64 MiB of memory, nearly all of it zeros.
func bigGuest(g *asm) region {
	g.Memory(1024, 0)
	return region{1 << 20, 63 << 20}
}

// TestEndlessLine prints a line of 63 MiB again and again: what the host looks at
// is as much as what is printed, and the deadline ends it.
func TestEndlessLine(t *testing.T) {
	t.Parallel()
	g := wasiAsm()
	big := bigGuest(g)
	var list []byte
	for range 32 {
		list = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(list, big.ptr), big.cap)
	}
	vectors := g.Bytes(list)
	p := newBench(t, Config{}).load(t, g.module(
		wasmasm.Forever(g.call("fd_write", 1, vectors, 32, 0), wasmasm.Drop()), wasmasm.I32(0)), deadline(300*time.Millisecond))
	ended := make(chan error, 1)
	begun := time.Now()
	go func() { _, err := p.Decide(t.Context(), newRequest()); ended <- err }()
	select {
	case err := <-ended:
		wantCode(t, err, "TIMEOUT")
		t.Logf("it ended after %v", time.Since(begun))
	case <-time.After(patience):
		t.Fatalf("the request has no answer after %v", patience)
	}
}

// TestBigInputs hands 63 MiB to every host function that reads a text of the guest's
// and keeps, parses or sends it: none takes it.
func TestBigInputs(t *testing.T) {
	t.Parallel()
	g := newAsm()
	big := bigGuest(g)
	names, calls := []string{}, []wasmasm.Code{}
	for _, c := range []struct {
		name string
		args []any
	}{
		{"req_set", []any{req(), 4, big}},
		{"req_set", []any{req(), 5, big}},
		{"req_header_set", []any{req(), "X-A", big}},
		{"req_header_add", []any{req(), big, "v"}},
		{"respond", []any{req(), 200, big, ""}},
		{"fail", []any{req(), big}},
		{"plan", []any{req(), big}},
		{"connect", []any{req(), "S", "a", 80, big}},
		{"proxy", []any{req(), "S", "a", 80, big}},
		{"ws_open", []any{req(), "S", "a", 80, big}},
		{"fetch", []any{req(), big, ""}},
		{"kv", []any{req(), 1, big, "", "", 0, 0}},
		{"kv", []any{req(), 2, "k", big, "", 0, 0}},
		{"kv", []any{req(), 2, "k", "v", big, 0, 0}},
		{"op", []any{req(), big, "{}", 0, 0}},
		{"count", []any{big, "", 1.0}},
		{"count", []any{"n", big, 1.0}},
	} {
		names = append(names, c.name)
		calls = append(calls, g.record(c.name, c.args...))
	}
	config := Config{Services: Services{Metrics: &fakeMetrics{}, Sockets: unopened{}, KV: &fakeKV{}, Fetcher: &fakeFetcher{},
		Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) { return []byte("{}"), nil })}}
	a := newBench(t, config).run(t, g, upgradeRequest(), calls...)
	for i, name := range names {
		if name == "op" {
			continue // the fake takes any name
		}
		if errno, _ := a.result(i); errno != abi.Invalid && errno != abi.TooLarge {
			t.Errorf("call %d, %s: %s", i, name, errno)
		}
	}
}

// TestStartedCallsHoldLittle starts calls that hold more together than the guest may
// have: the host keeps no more of them than that.
func TestStartedCallsHoldLittle(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Services: Services{KV: &fakeKV{}, Operations: operateFunc(func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})}})
	g := newAsm()
	big := bigGuest(g)
	big.cap = 40 << 20
	p := b.load(t, g.async(wasmasm.Do(
		g.record("op_start", req(), "exec", big),
		g.record("op_start", req(), "exec", big),
		g.record("op_open_start", req(), "execStream", big),
		g.record("kv_start", req(), 1, big, "", ""),
		g.record("op_start", req(), "exec", "{}"),
		g.finish(req()), wasmasm.I32(0)), nil, nil))
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	for i, want := range []abi.Errno{abi.OK, abi.Quota, abi.Quota, abi.Quota, abi.OK} {
		if errno, _ := a.result(i); errno != want {
			t.Errorf("call %d: %s, want %s", i, errno, want)
		}
	}
}

// TestForgedLogFields has a guest name its fields as those of the edge: they stay
// apart.
func TestForgedLogFields(t *testing.T) {
	t.Parallel()
	g := newAsm()
	b := newBench(t, Config{})
	fields := abi.AppendValues(nil, []string{"plugin", "other", "REQUEST", "r9", "level", "ERROR", "user\nlevel=ERROR", "a\nb", "user", "\x1b[31mann"})
	b.run(t, g, newRequest(), g.drop("log", req(), 0, "said\nlevel=ERROR plugin=other", fields))
	book := b.book.String()
	for _, want := range []string{`fields.plugin=other`, `fields.REQUEST=r9`, `fields.level=ERROR`, `user="\x1b[31mann"`, `request=r1`} {
		if !strings.Contains(book, want) {
			t.Errorf("the log has no %s:\n%s", want, book)
		}
	}
	for line := range strings.Lines(book) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, " plugin=other") && !strings.Contains(line, `"said\n`) {
			t.Errorf("the guest wrote the line %q", line)
		}
	}
}
