package plugins

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/experimental/wazerotest"

	"edge/abi"
)

// FuzzHostFunctions calls every function a guest can import with any arguments
// over any memory. It may answer or trap with what is meant to trap; it must not
// panic otherwise, write beyond memory, or lose a slot.
func FuzzHostFunctions(f *testing.F) {
	functions := append(edgeFunctions(), wasiFunctions()...)
	poll := 0
	for i, fn := range functions {
		f.Add(uint(i), []byte("Sandbox a1 {}"), uint32(1), uint32(0), uint32(7), uint32(8), uint32(2), uint32(8080), uint32(11), uint32(2))
		if fn.name == "poll_oneoff" {
			poll = i
		}
	}
	f.Add(uint(poll), clockSubscription(1, 0, 5, true), uint32(0), uint32(4096), uint32(1), uint32(8192), uint32(0), uint32(0), uint32(0), uint32(0))
	f.Add(uint(poll), append(fdSubscription(1, 2, 1), clockSubscription(2, 9, 5, false)...),
		uint32(0), uint32(4096), uint32(2), uint32(8192), uint32(0), uint32(0), uint32(0), uint32(0))
	f.Add(uint(0), abi.AppendHeaders(nil, []abi.Header{{Name: "A", Value: "b"}}), uint32(1), uint32(200), uint32(0), uint32(14), uint32(0), uint32(0), uint32(0), uint32(0))
	reg, err := NewRegistry(Config{Services: Services{
		Previews: previewFunc(func(*abi.Request) bool { return true }), Fetcher: new(fakeFetcher), KV: new(fakeKV), Metrics: new(fakeMetrics),
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which uint, memory []byte, a0, a1, a2, a3, a4, a5, a6, a7 uint32) {
		fn := functions[which%uint(len(functions))]
		g := newGeneration(reg, Spec{Name: "p"}.withDefaults(), 1, Module{})
		g.shape.async = true
		g.spec.MaxInstances, g.spec.MaxParked = 1, 1
		g.pool = newPool(g, DefaultMaxOpen)
		in := newInstance(g)
		in.life.kill() // a guest that sleeps or waits traps at once
		mem := wazerotest.NewFixedMemory(wasmPage)
		copy(mem.Bytes, memory)
		in.mem = mem
		x := newExchange(context.Background(), g, newRequest(), time.Now(), time.Now().Add(time.Minute))
		x.in, x.handle = in, 1
		in.open[1], in.lastHandle = x, 1
		in.stint.x, in.stint.deadline = x, time.Now().Add(time.Minute)
		defer func() { // what was started ends
			x.retire()
			in.shed()
			close(in.dead)
			g.tasks.Wait()
			g.killAll()
		}()
		defer func() {
			var exit exitError
			r := recover()
			if err, ok := r.(error); r != nil && !(ok && (errors.Is(err, errFault) || errors.Is(err, context.Canceled) || errors.As(err, &exit))) {
				panic(r)
			}
			if in.holding || reg.slots.taken() != 0 {
				t.Error("a slot is lost")
			}
			if e, _ := x.decided.decision.(*abi.Respond); e != nil && e.Stream != nil {
				_ = e.Stream.Close()
			}
		}()
		in.holding = true
		reg.slots.try()
		defer in.letGo()
		r := fn.call(in, []uint64{uint64(a0), uint64(a1), uint64(a2), uint64(a3), uint64(a4), uint64(a5), uint64(a6), uint64(a7), uint64(a1), uint64(a7)})
		if e, _ := abi.SplitResult(r); len(fn.results) > 0 && e > abi.Internal {
			t.Errorf("%s answered %d, which is no errno", fn.name, e)
		}
	})
}

func FuzzLogFields(f *testing.F) {
	f.Add(abi.AppendValues(nil, []string{"a", "b"}), uint16(10))
	f.Add(binary.LittleEndian.AppendUint32(nil, math.MaxUint32), uint16(10))
	f.Fuzz(func(t *testing.T, block []byte, room uint16) {
		attrs, ok := logFields(block, int(room), nil)
		if !ok && attrs != nil {
			t.Error("fields of a malformed list")
		}
		left := int(room)
		for _, a := range attrs {
			if left -= len(a.Key) + len(a.Value.String()); left < 0 {
				t.Error("more than there is room for")
			}
		}
	})
}

// FuzzModule loads modules that were a plugin before the fuzzer changed them:
// whatever they are, they are served or refused.
func FuzzModule(f *testing.F) {
	f.Add(responding("x"))
	f.Add(minimal(nil))
	f.Add([]byte(header))
	reg, err := NewRegistry(Config{})
	if err != nil {
		f.Fatal(err)
	}
	reg.initDeadline = 50 * time.Millisecond
	f.Fuzz(func(t *testing.T, module []byte) {
		spec := Spec{Name: "p", Source: writeModule(t, module), Memory: 4 << 20}
		report, err := reg.check(t.Context(), spec)
		if err != nil || report.Size != len(module) {
			t.Errorf("%+v, %v", report, err)
		}
	})
}
