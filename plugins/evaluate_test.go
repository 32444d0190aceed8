package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// unfinished is a module that is no plugin: what it exports uses what it may while it is
// built.
func unfinished() []byte {
	m := wasmasm.New()
	log := m.Import("edge1", "log", "iiiiii", "I")
	budget := m.Import("edge1", "budget", "i", "I")
	fetch := m.Import("edge1", "fetch_start", "iiiii", "I")
	clock := m.Import("wasi_snapshot_preview1", "clock_time_get", "iIi", "i")
	random := m.Import("wasi_snapshot_preview1", "random_get", "ii", "i")
	write := m.Import("wasi_snapshot_preview1", "fd_write", "iiii", "i")
	open := m.Import("wasi_snapshot_preview1", "path_open", "iiiiiIIii", "i")
	exit := m.Import("wasi_snapshot_preview1", "proc_exit", "i", "")
	m.Memory(1, 0)
	at := m.Bytes([]byte("12345678"))
	text := m.Bytes([]byte("hello"))
	vector := m.Bytes([]byte{byte(text), byte(text >> 8), 0, 0, 5, 0, 0, 0})
	i32 := func(n uint32) wasmasm.Code { return wasmasm.I32(int32(n)) }
	m.Func("say", "", "I", "", wasmasm.Call(log, i32(0), i32(8), i32(text), i32(5), i32(0), i32(0)))
	m.Func("left", "", "I", "", wasmasm.Call(budget, i32(0)))
	m.Func("fetch", "", "I", "", wasmasm.Call(fetch, i32(0), i32(0), i32(0), i32(0), i32(0)))
	m.Func("clock", "", "i", "", wasmasm.Call(clock, i32(0), wasmasm.I64(0), i32(at)))
	m.Func("random", "", "i", "", wasmasm.Call(random, i32(at), i32(8)))
	m.Func("print", "", "i", "", wasmasm.Call(write, i32(1), i32(vector), i32(1), i32(at)))
	m.Func("open", "", "i", "", wasmasm.Call(open, i32(0), i32(0), i32(0), i32(0), i32(0), wasmasm.I64(0), wasmasm.I64(0), i32(0), i32(0)))
	m.Func("exit", "", "", "", wasmasm.Call(exit, i32(7)))
	m.Func("outside", "", "i", "", wasmasm.Call(random, wasmasm.I32(-4), i32(8)))
	m.Func("spin", "", "", "", wasmasm.Forever())
	return m.Encode()
}

// TestEvaluate has a module do each thing that it may.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	var said []string
	o := EvaluateOptions{CacheDir: t.TempDir(), Log: func(level int, text string) { said = append(said, fmt.Sprint(level, " ", text)) }}
	err := Evaluate(t.Context(), o, unfinished(), func(g Guest) error {
		for _, tt := range []struct {
			call string
			want uint64
		}{
			{"say", answer(abi.OK)}, {"fetch", answer(abi.Unsupported)}, {"print", wasiOK}, {"open", wasiBadF}, {"clock", wasiOK}, {"random", wasiOK},
		} {
			if got, err := g.Call(tt.call); err != nil || got != tt.want {
				t.Errorf("%s: got %#x, %v, want %#x", tt.call, got, err, tt.want)
			}
		}
		if left, err := g.Call("left"); err != nil || uint32(left) == 0 || uint64(uint32(left)) > uint64(DefaultEvaluateCompute.Microseconds()) {
			t.Errorf("left: got %#x, %v", left, err)
		}
		if at, ok := g.Read(16, 8); !ok || !slices.Equal(at, make([]byte, 8)) {
			t.Errorf("the clock and randomness are %v, %v", at, ok)
		}
		if !g.Grow(2) || g.Size() != 3*wasmPage || !g.Write(3*wasmPage-1, []byte{1}) || g.Write(3*wasmPage-1, []byte{1, 2}) {
			t.Errorf("after growing memory has %d bytes", g.Size())
		}
		if _, ok := g.Read(3*wasmPage, 1); ok || g.Grow(1<<16) {
			t.Error("memory has more than it may")
		}
		_, err := g.Call("nothing")
		if memory := g.Memory(); len(memory) != 3*wasmPage || memory[3*wasmPage-1] != 1 {
			t.Errorf("all of memory is %d bytes", len(memory))
		}
		return err
	})
	if err == nil || !strings.Contains(err.Error(), `no function "nothing"`) {
		t.Errorf("got %v, want the run's own error", err)
	}
	if want := []string{"8 hello", "0 hello"}; !slices.Equal(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
}

// TestEvaluateEnds stops what does not come to an end by itself.
func TestEvaluateEnds(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name, call string
		ctx        context.Context
		o          EvaluateOptions
		want       error
	}{
		{"time", "spin", t.Context(), EvaluateOptions{Compute: 10 * time.Millisecond}, ErrEvaluateTime},
		{"caller", "spin", over, EvaluateOptions{}, context.Canceled},
		{"exit", "exit", t.Context(), EvaluateOptions{}, exitError(7)},
		{"pointer", "outside", t.Context(), EvaluateOptions{}, errFault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := NewEvaluator(tt.o)
			defer e.Close()
			for range 2 { // the second with the code of the first
				err := e.Run(tt.ctx, unfinished(), func(g Guest) error { _, err := g.Call(tt.call); return err })
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			}
		})
	}
}

// TestEvaluatorKeepsCode compiles once what several runs wait for.
func TestEvaluatorKeepsCode(t *testing.T) {
	t.Parallel()
	e := NewEvaluator(EvaluateOptions{})
	defer e.Close()
	var kept []*program
	for range 2 { // two runs that both found nothing
		if err := e.prepare(t.Context(), unfinished()); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, e.last.program)
	}
	if kept[0] != kept[1] {
		t.Error("the second run compiled it again")
	}
}

// TestEvaluateRefuses names what is wrong with a module.
func TestEvaluateRefuses(t *testing.T) {
	t.Parallel()
	foreign := wasmasm.New()
	foreign.Import("env", "f", "", "")
	foreign.Memory(1, 0)
	foreign.Func("x", "", "", "")
	large := wasmasm.New()
	large.Memory(2, 0)
	large.Func("x", "", "", "")
	bare := wasmasm.New()
	bare.Func("x", "", "", "")
	tests := []struct {
		name   string
		module []byte
		want   string
	}{
		{"empty", nil, "the file is empty"},
		{"cut short", unfinished()[:100], "cut short"},
		{"import", foreign.Encode(), "env.f"},
		{"memory", large.Encode(), "memory"},
		{"none", bare.Encode(), "exports no memory called"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := Evaluate(t.Context(), EvaluateOptions{Memory: wasmPage}, tt.module, func(Guest) error { return nil })
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
