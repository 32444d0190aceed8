package meter_test

import (
	"math/rand/v2"

	"edge/plugins/wasmasm"
)

// generator writes random modules that always come to an end: loops count down,
// and functions call earlier ones alone. What they leave behind depends on all
// they did, so that a difference shows. A module that counts is the same module
// with a global that counts the instructions that run.
type generator struct {
	*rand.Rand
	m         *wasmasm.Module
	counts    bool
	counter   wasmasm.Global
	globals   []wasmasm.Global
	functions []wasmasm.Func
	frames    []int // counter of each loop that is open, 0 for a block
	loops     int   // of them
	room      int   // statements that may still be written in the function
	calls     int   // calls that may still be
}

// The locals of each function: its parameter and other values, and then a counter
// for each loop in a loop.
const (
	values   = 4
	maxLoops = 2
)

// generate returns a module for a seed. It exports run, which takes and returns an
// i32, flush, which does nothing in a loop, memory, and the globals a, b, c and
// count.
func generate(seed uint64, counts bool) []byte {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), m: wasmasm.New(), counts: counts}
	g.m.Memory(1, 3)
	for _, name := range []string{"a", "b", "c"} {
		global := g.m.Global(int32(g.Uint32()))
		g.m.ExportGlobal(name, global)
		g.globals = append(g.globals, global)
	}
	g.counter = g.m.Global(0)
	g.m.ExportGlobal("count", g.counter)
	for range 1 + g.IntN(5) {
		g.room, g.calls, g.frames, g.loops = 1+g.IntN(150), 2, nil, 0
		body := g.within(0, wasmasm.Code{0x02, 0x40})
		f := g.m.Func("", "i", "i", "iiiii", body, g.value(3))
		g.functions = append(g.functions, f)
	}
	g.m.Export("run", g.functions[len(g.functions)-1])
	g.m.Func("flush", "", "", "", wasmasm.Code{0x03, 0x40, 0x0b})
	return g.m.Encode()
}

// do is one instruction that does something.
func (g *generator) do(c wasmasm.Code) wasmasm.Code {
	if !g.counts {
		return c
	}
	return wasmasm.Do(wasmasm.GetGlobal(g.counter), wasmasm.I32(1), wasmasm.Add(), wasmasm.SetGlobal(g.counter), c)
}

// within is a block or loop that begins with open and holds some statements.
func (g *generator) within(counter int, open wasmasm.Code) wasmasm.Code {
	g.frames = append(g.frames, counter)
	code := wasmasm.Do(open, g.statements())
	g.frames = g.frames[:len(g.frames)-1]
	return append(code, 0x0b)
}

func (g *generator) statements() wasmasm.Code {
	var code wasmasm.Code
	for range g.IntN(8) {
		if g.room--; g.room <= 0 {
			break
		}
		code = append(code, g.statement()...)
	}
	return code
}

func (g *generator) statement() wasmasm.Code {
	switch g.IntN(15) {
	case 0, 1, 2:
		return wasmasm.Do(g.value(3), g.do(wasmasm.Set(uint32(g.IntN(values)))))
	case 3:
		return wasmasm.Do(g.value(3), g.do(wasmasm.SetGlobal(g.globals[g.IntN(len(g.globals))])))
	case 4:
		return wasmasm.Do(g.address(), g.value(3), g.do(wasmasm.Store()))
	case 5:
		return g.within(0, wasmasm.Code{0x02, 0x40})
	case 6, 7:
		return g.choice()
	case 8, 9:
		return g.loop()
	case 10, 11:
		return g.branch()
	case 12:
		return g.dispatch()
	case 13:
		return g.bulk()
	}
	return wasmasm.Do(g.value(1), g.do(wasmasm.Code{0x04, 0x40}), g.value(2), g.do(wasmasm.Return()), wasmasm.Code{0x0b})
}

// choice is an if, half of the time with an else, and sometimes left early.
func (g *generator) choice() wasmasm.Code {
	g.frames = append(g.frames, 0)
	code := wasmasm.Do(g.value(2), g.do(wasmasm.Code{0x04, 0x40}), g.statements())
	if g.IntN(2) == 0 {
		code = wasmasm.Do(code, wasmasm.Code{0x05}, g.statements())
	}
	if label, ok := g.label(); ok && g.IntN(3) == 0 {
		code = wasmasm.Do(code, g.do(wasmasm.Code{0x0c, label}))
	}
	g.frames = g.frames[:len(g.frames)-1]
	return append(code, 0x0b)
}

// loop counts down from at most 5.
func (g *generator) loop() wasmasm.Code {
	if g.loops == maxLoops {
		return nil
	}
	counter := values + g.loops
	g.loops++
	g.frames = append(g.frames, counter)
	code := wasmasm.Do(g.do(wasmasm.I32(int32(g.IntN(6)))), g.do(wasmasm.Set(uint32(counter))),
		wasmasm.Code{0x03, 0x40}, g.statements(), g.again(counter), g.do(wasmasm.Code{0x0d, 0x00}), wasmasm.Code{0x0b})
	g.frames = g.frames[:len(g.frames)-1]
	g.loops--
	return code
}

// again pushes whether a loop may have another round, and counts it.
func (g *generator) again(counter int) wasmasm.Code {
	c := uint32(counter)
	return wasmasm.Do(g.do(wasmasm.Get(c)), g.do(wasmasm.I32(-1)), g.do(wasmasm.Add()), g.do(wasmasm.Code{0x22, byte(c)}),
		g.do(wasmasm.I32(0)), g.do(wasmasm.Code{0x4a}))
}

// branch leaves a block, or goes to a loop's head, if some value is not 0.
func (g *generator) branch() wasmasm.Code {
	i := g.IntN(len(g.frames))
	label := byte(len(g.frames) - 1 - i)
	if counter := g.frames[i]; counter > 0 {
		return wasmasm.Do(g.again(counter), g.do(wasmasm.Code{0x0d, label}))
	}
	return wasmasm.Do(g.value(2), g.do(wasmasm.Code{0x0d, label}))
}

// label chooses a block to leave.
func (g *generator) label() (byte, bool) {
	for range 4 {
		if i := g.IntN(len(g.frames)); g.frames[i] == 0 {
			return byte(len(g.frames) - 1 - i), true
		}
	}
	return 0, false
}

// dispatch is a switch whose cases fall through.
func (g *generator) dispatch() wasmasm.Code {
	cases := 1 + g.IntN(5)
	var code wasmasm.Code
	for range cases {
		code = append(code, 0x02, 0x40)
		g.frames = append(g.frames, 0)
	}
	code = wasmasm.Do(code, g.value(2))
	table := wasmasm.Code{0x0e, byte(cases)}
	for range cases + 1 {
		label, ok := g.label()
		if !ok {
			label = 0
		}
		table = append(table, label)
	}
	code = wasmasm.Do(code, g.do(table))
	for range cases {
		g.frames = g.frames[:len(g.frames)-1]
		code = wasmasm.Do(code, wasmasm.Code{0x0b}, g.statements())
	}
	return code
}

// bulk fills, copies or grows memory; it may trap.
func (g *generator) bulk() wasmasm.Code {
	switch n := wasmasm.I32(int32(g.IntN(300))); g.IntN(4) {
	case 0:
		return wasmasm.Do(g.do(wasmasm.I32(1<<16-200)), g.value(1), g.do(n), g.do(wasmasm.Code{0xfc, 0x0b, 0x00}))
	case 1:
		return wasmasm.Do(g.address(), g.address(), g.do(n), g.do(wasmasm.Code{0xfc, 0x0a, 0x00, 0x00}))
	case 2:
		return wasmasm.Do(g.do(wasmasm.I32(int32(g.IntN(2)))), g.do(wasmasm.GrowMemory()), g.do(wasmasm.SetGlobal(g.globals[0])))
	}
	return wasmasm.Do(g.value(1), g.do(wasmasm.Drop()), g.do(wasmasm.Code{0x3f, 0x00}), g.do(wasmasm.SetGlobal(g.globals[1])))
}

// address pushes one within the first page.
func (g *generator) address() wasmasm.Code {
	return wasmasm.Do(g.value(1), g.do(wasmasm.I32(0x7ff8)), g.do(wasmasm.Code{0x71}))
}

// value pushes an i32.
func (g *generator) value(depth int) wasmasm.Code {
	if depth == 0 {
		return g.do(wasmasm.Get(uint32(g.IntN(values))))
	}
	switch g.IntN(9) {
	case 0:
		return g.do(wasmasm.I32(int32(g.Uint32())))
	case 1:
		return g.do(wasmasm.GetGlobal(g.globals[g.IntN(len(g.globals))]))
	case 2:
		return wasmasm.Do(g.value(depth-1), g.do(wasmasm.I32(0x7ff8)), g.do(wasmasm.Code{0x71}), g.do(wasmasm.Load()))
	case 3, 4:
		operators := []byte{0x6a, 0x6b, 0x6c, 0x73, 0x76, 0x77, 0x49, 0x46, 0x6e}
		return wasmasm.Do(g.value(depth-1), g.value(depth-1), g.do(wasmasm.Code{operators[g.IntN(len(operators))]}))
	case 5:
		return wasmasm.Do(g.value(depth-1), g.do(wasmasm.Code{0x45}))
	case 6:
		return wasmasm.Do(g.value(depth-1), g.value(depth-1), g.value(depth-1), g.do(wasmasm.Code{0x1b}))
	case 7:
		if g.calls == 0 || g.loops > 1 || len(g.functions) == 0 {
			break
		}
		g.calls--
		f := g.functions[g.IntN(len(g.functions))]
		return wasmasm.Do(g.value(depth-1), g.do(wasmasm.Call(f)))
	}
	return g.do(wasmasm.Get(uint32(g.IntN(values))))
}
