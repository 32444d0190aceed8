package plugins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// The guest of TestHostilePointers reads from the request's body whether to call the
// function, and with what.
const (
	callFlag  = 0 // u32: 0 is no call
	callOwn   = 4 // u32: 1 is the open request's handle in place of the first argument
	callFirst = 8 // 8 bytes for each argument
	callSize  = callFirst + 8*maxArguments

	maxArguments = 12
)

// calling is a guest that calls a function of the host as its requests say, and
// answers "alive" if it comes back.
func calling(module string, f hostFunction) []byte {
	m := wasmasm.New()
	results := letters(f.results)
	call := m.Import(module, f.name, letters(f.params), results)
	respond := m.Import(hostModule, "respond", "iiiiii", "I")
	read := m.Import(hostModule, "req_body_read", "iii", "I")
	m.Memory(16, 0)
	at, text := m.Space(callSize), m.Bytes([]byte("alive"))
	push := func(i int, own bool) wasmasm.Code {
		load := map[api.ValueType]wasmasm.Code{ // WebAssembly 1.0, section 5.4.3
			api.ValueTypeI32: {0x28, 0x02, 0x00}, api.ValueTypeI64: {0x29, 0x03, 0x00}, api.ValueTypeF64: {0x2b, 0x03, 0x00},
		}[f.params[i]]
		if i == 0 && own && f.params[i] == api.ValueTypeI32 {
			return req()
		}
		return wasmasm.Do(wasmasm.I32(int32(at)+callFirst+8*int32(i)), load)
	}
	code := func(own bool) wasmasm.Code {
		var args []wasmasm.Code
		for i := range f.params {
			args = append(args, push(i, own))
		}
		c := wasmasm.Call(call, args...)
		if results != "" {
			c = wasmasm.Do(c, wasmasm.Drop())
		}
		return c
	}
	flag := func(offset int32) wasmasm.Code { return wasmasm.Do(wasmasm.I32(int32(at)+offset), wasmasm.Load()) }
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", wasmasm.I32(0))
	m.Func("edge_request", "i", "i", "",
		wasmasm.Call(read, req(), wasmasm.I32(int32(at)), wasmasm.I32(callSize)), wasmasm.Drop(),
		flag(callFlag), wasmasm.If(wasmasm.Do(flag(callOwn), wasmasm.If(code(true), code(false))), nil),
		wasmasm.Call(respond, req(), wasmasm.I32(200), wasmasm.I32(0), wasmasm.I32(0), wasmasm.I32(int32(text)), wasmasm.I32(5)), wasmasm.Drop(),
		wasmasm.I32(0))
	return m.Encode()
}

// callWith is a request that has the guest call its function.
func callWith(own bool, args ...uint64) *abi.Request {
	body := make([]byte, callSize)
	body[callFlag] = 1
	if own {
		body[callOwn] = 1
	}
	for i, a := range args {
		binary.LittleEndian.PutUint64(body[callFirst+8*i:], a)
	}
	r := newRequest()
	r.Method, r.Body, r.ContentLength = "POST", bytes.NewReader(body), int64(len(body))
	return r
}

// unhurt are the functions that do not trap with every argument outside of memory:
// those that take no pointer, and those that refuse such a length or descriptor
// before they look at one.
func unhurt() []string {
	return []string{
		"next", "respond_end", "req_body_read_start", "ws_recv_start", "fetch_close", "fetch_read_start", "random", "preview", "budget", "hold", "let_go", "timer_start", "timer_stop",
		"args_get", "environ_get", "sched_yield", "clock_res_get", "clock_time_get", "fd_write", "fd_read", "fd_close", "fd_seek",
		"fd_fdstat_get", "fd_fdstat_set_flags", "fd_filestat_get",
	}
}

// pointed are the functions that TestHostilePointers calls. What WASI's functions
// about files do is nothing.
func pointed() map[string][]hostFunction {
	wasi := slices.DeleteFunc(wasiFunctions(), func(f hostFunction) bool {
		known := slices.Contains([]string{"fd_write", "fd_read", "fd_seek", "fd_fdstat_get", "fd_filestat_get", "fd_close"}, f.name)
		return f.name == "proc_exit" || !known && (strings.HasPrefix(f.name, "fd_") || strings.HasPrefix(f.name, "path_"))
	})
	return map[string][]hostFunction{hostModule: edgeFunctions(), wasiModule: wasi}
}

// TestHostilePointers calls each function that a guest can import with each argument
// in turn being wrong, the others being small numbers or addresses: the guest traps
// or is told, the edge goes on, and the next request is decided. With all of the
// arguments far outside of memory a function that takes a pointer traps.
func TestHostilePointers(t *testing.T) {
	t.Parallel()
	const outside = 0xfffff000
	memory := uint64(16 * wasmPage)
	bad := []uint64{1, memory - 1, memory, 1 << 31, 1<<32 - 1}
	services := hostileServices{}
	b := newBench(t, Config{
		Services: Services{Operations: services, Streams: services, Sockets: services, Fetcher: &fakeFetcher{}, KV: &fakeKV{}, Metrics: &fakeMetrics{}},
		GuestLog: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	requests, trapped := 0, 0
	try := func(p *Plugin, r *abi.Request) (traps bool) {
		t.Helper()
		requests++
		d, err := p.Decide(t.Context(), r)
		if answer, ok := d.(*abi.Respond); ok && answer.Stream != nil {
			_ = answer.Stream.Close()
		}
		var e *abi.Error
		switch {
		case err == nil:
			return false
		case !errors.As(err, &e) || e.Code == abi.CodeInternal:
			t.Errorf("%s: got %v", p.Name(), err)
		case e.Code != abi.CodePluginFailed:
			return false // an error that the guest chose, as fail does
		}
		trapped++
		if got := bodyOf(t, decide(t, p, newRequest())); got != "alive" { // also lest this be a crash loop
			t.Errorf("%s: after that the answer is %q", p.Name(), got)
		}
		return true
	}
	for module, functions := range pointed() {
		for _, f := range functions {
			p := b.load(t, calling(module, f), func(s *Spec) { s.Name = module + "." + f.name })
			for _, own := range []bool{true, false} {
				for i := range f.params {
					for _, value := range bad {
						for _, others := range []uint64{0, 1024} {
							args := slices.Repeat([]uint64{others}, len(f.params))
							args[i] = value
							try(p, callWith(own, args...))
						}
					}
				}
			}
			all := slices.Repeat([]uint64{outside}, len(f.params))
			if traps := try(p, callWith(true, all...)); traps == slices.Contains(unhurt(), f.name) {
				t.Errorf("%s with everything outside of memory: trapped %v", p.Name(), traps)
			}
		}
	}
	t.Logf("%d calls, %d of which trapped", requests, trapped)
}
