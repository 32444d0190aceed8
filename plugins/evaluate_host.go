package plugins

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"

	"edge/abi"
	"edge/plugins/meter"
)

// pretend gives a module that is evaluated its imports: those of edge1, whatever they
// are, and some of WASI. What they are to answer is in Evaluate's documentation.
func pretend(ctx context.Context, p *program) error {
	if err := p.hostMeter(ctx, refuelEvaluation); err != nil {
		return err
	}
	imports := map[string]map[string]api.FunctionDefinition{hostModule: {}, wasiModule: {}}
	for _, def := range imported(p.code) {
		module, name, _ := def.Import()
		if imports[module] == nil {
			return fmt.Errorf("it imports %s.%s, which is not there while it is built", module, name)
		}
		imports[module][name] = def
	}
	known, absent := pretences(), map[string]pretence{hostModule: always(answer(abi.Unsupported)), wasiModule: always(wasiBadF)}
	for module, functions := range imports {
		b := p.runtime.NewHostModuleBuilder(module)
		for name, def := range functions {
			f, ok := known[module+"."+name]
			if !ok || len(def.ParamTypes()) < f.params {
				f = absent[module]
			}
			b.NewFunctionBuilder().WithGoModuleFunction(f.bind(def), def.ParamTypes(), def.ResultTypes()).Export(name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("host module %s: %w", module, err)
		}
	}
	return nil
}

// refuelEvaluation is refuel for a module that is evaluated.
func refuelEvaluation(ctx context.Context, stack []uint64) {
	ev := ctx.(*evaluation)
	now := time.Now()
	if err := ev.check(now); err != nil {
		panic(err)
	}
	if now.Sub(ev.looked) >= yieldEvery {
		runtime.Gosched()
		ev.looked = time.Now()
		ev.end = ev.end.Add(ev.looked.Sub(now)) // what others did meanwhile is not its time
	}
	stack[0] = meter.DefaultQuantum
}

// pretence is a function that does something. It looks at so many parameters.
type pretence struct {
	params int
	call   func(ev *evaluation, a []uint64) uint64
}

// bind makes the function that wazero calls. A pointer outside memory traps.
func (f pretence) bind(def api.FunctionDefinition) api.GoModuleFunc {
	answers := len(def.ResultTypes()) > 0
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		ev := ctx.(*evaluation)
		if ev.mem == nil {
			ev.mem = mod.Memory() // a start function runs before the instance is known
		}
		if r := f.call(ev, stack); answers {
			stack[0] = r
		}
	}
}

// always answers with a number alone.
func always(r uint64) pretence {
	return pretence{0, func(*evaluation, []uint64) uint64 { return r }}
}

// pretences are the functions that do more than to say that they are not there.
func pretences() map[string]pretence {
	none := pretence{2, func(ev *evaluation, a []uint64) uint64 {
		clear(ev.bytes(a[0], 4))
		clear(ev.bytes(a[1], 4))
		return wasiOK
	}}
	return map[string]pretence{
		hostModule + ".log": {4, func(ev *evaluation, a []uint64) uint64 {
			ev.options.Log(int(int32(uint32(a[1]))), string(ev.bytes(a[2], a[3])))
			return answer(abi.OK)
		}},
		hostModule + ".budget": {0, func(ev *evaluation, _ []uint64) uint64 {
			left := time.Until(ev.end).Microseconds()
			return abi.Result(abi.OK, uint32(min(max(left, 0), math.MaxUint32-1)))
		}},
		wasiModule + ".clock_time_get": {3, func(ev *evaluation, a []uint64) uint64 {
			clear(ev.bytes(a[2], 8))
			return wasiOK
		}},
		wasiModule + ".random_get": {2, func(ev *evaluation, a []uint64) uint64 {
			clear(ev.bytes(a[0], a[1]))
			return wasiOK
		}},
		wasiModule + ".args_get":          always(wasiOK),
		wasiModule + ".args_sizes_get":    none,
		wasiModule + ".environ_get":       always(wasiOK),
		wasiModule + ".environ_sizes_get": none,
		wasiModule + ".fd_write":          {4, printed},
		wasiModule + ".proc_exit":         {1, func(_ *evaluation, a []uint64) uint64 { panic(exitError(uint32(a[0]))) }},
	}
}

// printed: (fd, iovs, iovs_len, written).
func printed(ev *evaluation, a []uint64) uint64 {
	if fd := uint32(a[0]); fd != 1 && fd != 2 {
		return wasiBadF
	}
	var text []byte
	for list := ev.bytes(a[1], uint64(uint32(a[2]))*8); len(list) > 0; list = list[8:] {
		b := ev.bytes(uint64(binary.LittleEndian.Uint32(list)), uint64(binary.LittleEndian.Uint32(list[4:])))
		text = append(text, b[:min(len(b), maxLogLine-len(text))]...)
		if len(text) == maxLogLine {
			break
		}
	}
	ev.options.Log(0, string(text))
	binary.LittleEndian.PutUint32(ev.bytes(a[3], 4), uint32(len(text)))
	return wasiOK
}

// bytes is a view of the guest's memory. Outside memory it traps.
func (ev *evaluation) bytes(ptr, n uint64) []byte {
	b, ok := ev.mem.Read(uint32(ptr), uint32(n))
	if !ok {
		panic(errFault)
	}
	return b
}
