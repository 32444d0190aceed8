package plugins

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// wasiAsm is newAsm with all of WASI imported too.
func wasiAsm() *asm {
	types := map[bool]byte{true: 'i', false: 'I'}
	var g *asm
	found := map[string]wasmasm.Func{}
	g = newAsm(func(m *wasmasm.Module) {
		for _, f := range wasiFunctions() {
			params := make([]byte, len(f.params))
			for i := range f.params {
				params[i] = types[f.params[i] == 0x7f]
			}
			found[f.name] = m.Import(wasiModule, f.name, string(params), strings.Repeat("i", len(f.results)))
		}
	})
	for name, f := range found {
		g.fn[name] = f
	}
	return g
}

// extend makes an i64 of a call's i32 result, so that record can store it.
func (g *asm) recordWASI(name string, args ...any) wasmasm.Code {
	addr := g.results + 8*g.count
	g.count++
	return wasmasm.Do(wasmasm.I32(int32(addr)), g.call(name, args...), wasmasm.Code{0xad}, wasmasm.Store64())
}

// clockSubscription waits for so many nanoseconds, or until then.
func clockSubscription(user uint64, clock uint32, timeout uint64, absolute bool) []byte {
	b := make([]byte, subscriptionSize)
	binary.LittleEndian.PutUint64(b, user)
	binary.LittleEndian.PutUint32(b[16:], clock)
	binary.LittleEndian.PutUint64(b[24:], timeout)
	if absolute {
		b[40] = 1
	}
	return b
}

func fdSubscription(user uint64, kind byte, fd uint32) []byte {
	b := make([]byte, subscriptionSize)
	binary.LittleEndian.PutUint64(b, user)
	b[8] = kind
	binary.LittleEndian.PutUint32(b[16:], fd)
	return b
}

func TestWASI(t *testing.T) {
	t.Parallel()
	g := wasiAsm()
	out, now, noise := g.buffer(64), g.buffer(8), g.buffer(16)
	iovs := func(texts ...string) []byte {
		var list []byte
		for _, s := range texts {
			list = binary.LittleEndian.AppendUint32(list, g.Bytes([]byte(s)))
			list = binary.LittleEndian.AppendUint32(list, uint32(len(s)))
		}
		return list
	}
	line := g.Bytes(iovs("two ", "lines\nand a ", "half"))
	rest := g.Bytes(iovs(" more\n"))
	b := newBench(t, Config{})
	a := b.run(t, g, newRequest(),
		g.recordWASI("args_sizes_get", out.ptr, out.ptr+4),
		g.recordWASI("environ_sizes_get", out.ptr, out.ptr+4),
		g.recordWASI("args_get", 0, 0),
		g.recordWASI("clock_time_get", 0, wasmasm.I64(1), now.ptr),
		g.recordWASI("clock_time_get", 9, wasmasm.I64(1), now.ptr),
		g.recordWASI("clock_res_get", 1, out.ptr),
		g.recordWASI("random_get", noise),
		g.recordWASI("sched_yield"),
		g.recordWASI("fd_write", 1, line, 3, out.ptr),
		g.recordWASI("fd_write", 1, rest, 1, out.ptr),
		g.recordWASI("fd_write", 3, line, 3, out.ptr),
		g.recordWASI("fd_read", 0, line, 1, out.ptr),
		g.recordWASI("fd_read", 3, line, 1, out.ptr),
		g.recordWASI("fd_seek", 1, wasmasm.I64(0), 0, out.ptr),
		g.recordWASI("fd_seek", 5, wasmasm.I64(0), 0, out.ptr),
		g.recordWASI("fd_close", 7),
		g.recordWASI("fd_fdstat_get", 1, out.ptr),
		g.recordWASI("fd_fdstat_get", 3, out.ptr),
		g.recordWASI("fd_prestat_get", 3, out.ptr),
		g.recordWASI("path_open", 3, 0, out.ptr, 1, 0, wasmasm.I64(0), wasmasm.I64(0), 0, out.ptr),
		g.recordWASI("poll_oneoff", out.ptr, out.ptr, 0, out.ptr),
	)
	for i, want := range []uint32{
		wasiOK, wasiOK, wasiOK, wasiOK, wasiInval, wasiOK, wasiOK, wasiOK, wasiOK, wasiOK, wasiBadF, wasiOK, wasiBadF,
		wasiSPipe, wasiBadF, wasiBadF, wasiOK, wasiBadF, wasiBadF, wasiBadF, wasiInval,
	} {
		a.want(i, "wasi call", abi.OK, want)
	}
	if got := time.Unix(0, int64(binary.LittleEndian.Uint64(a.bytes(now, 8)))); time.Since(got).Abs() > time.Hour {
		t.Errorf("the clock says %v", got)
	}
	if string(a.bytes(noise, 16)) == strings.Repeat("\x00", 16) {
		t.Error("random_get wrote nothing")
	}
	log := b.book.String()
	for _, want := range []string{`msg="two lines"`, `msg="and a half more"`, "stream=stdout"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
}

func TestPoll(t *testing.T) {
	t.Parallel()
	const ms = uint64(time.Millisecond)
	for name, tt := range map[string]struct {
		subs  [][]byte
		users []uint64 // whose events happen
		errno uint16
	}{
		"relative":           {[][]byte{clockSubscription(7, 1, ms, false)}, []uint64{7}, wasiOK},
		"the shorter one":    {[][]byte{clockSubscription(7, 1, math.MaxUint64, false), clockSubscription(8, 0, ms, false)}, []uint64{8}, wasiOK},
		"absolute, past":     {[][]byte{clockSubscription(7, 0, 1, true)}, []uint64{7}, wasiOK},
		"output is ready":    {[][]byte{clockSubscription(7, 1, math.MaxInt64, false), fdSubscription(9, pollFDWrite, 1)}, []uint64{9}, wasiOK},
		"unknown descriptor": {[][]byte{fdSubscription(9, pollFDRead, 5)}, []uint64{9}, wasiBadF},
		"unknown clock":      {[][]byte{clockSubscription(7, 3, ms, false)}, []uint64{7}, wasiNotSup},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := wasiAsm()
			events, happened := g.buffer(4*eventSize), g.buffer(4)
			var list []byte
			for _, s := range tt.subs {
				list = append(list, s...)
			}
			subs := g.Bytes(list)
			a := newBench(t, Config{}).run(t, g, newRequest(),
				g.recordWASI("poll_oneoff", subs, events.ptr, len(tt.subs), happened.ptr))
			a.want(0, "poll_oneoff", abi.OK, wasiOK)
			if n := binary.LittleEndian.Uint32(a.bytes(happened, 4)); int(n) != len(tt.users) {
				t.Fatalf("%d events, want %d", n, len(tt.users))
			}
			for i, user := range tt.users {
				e := a.bytes(events, 4*eventSize)[i*eventSize:]
				if got := binary.LittleEndian.Uint64(e); got != user || binary.LittleEndian.Uint16(e[8:]) != tt.errno {
					t.Errorf("event %d is of %d with errno %d", i, got, binary.LittleEndian.Uint16(e[8:]))
				}
			}
		})
	}
}

// TestPollDeadline sleeps for longer than the deadline: the guest is stopped at
// the deadline, without a slot meanwhile.
func TestPollDeadline(t *testing.T) {
	t.Parallel()
	still(t, testPollDeadline)
}

func testPollDeadline(t *testing.T) {
	g := wasiAsm()
	sub := g.Bytes(clockSubscription(1, 1, math.MaxInt64, false))
	out := g.buffer(64)
	p := newBench(t, Config{}).load(t, g.module(
		g.call("poll_oneoff", sub, out.ptr, 1, out.ptr+32), wasmasm.Drop(), wasmasm.I32(0)), deadline(100*time.Millisecond))
	_, err := p.Decide(t.Context(), newRequest())
	wantCode(t, err, abi.CodeTimeout)
}
