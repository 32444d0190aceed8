package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"

	"edge/plugins/meter"
	"edge/plugins/wasmasm"
)

// bump adds to the global g, four instructions.
func bump(g wasmasm.Global, by int32) wasmasm.Code {
	return wasmasm.Do(wasmasm.GetGlobal(g), wasmasm.I32(by), wasmasm.Add(), wasmasm.SetGlobal(g))
}

// TestTightLoops runs short loops, which are unrolled, for every number of rounds
// up to some of their turns: they leave what they leave without a meter.
func TestTightLoops(t *testing.T) {
	t.Parallel()
	again := wasmasm.Do(wasmasm.Get(0), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Code{0x22, 0x00}) // local.tee
	loop := func(body ...wasmasm.Code) wasmasm.Code {
		return wasmasm.Do(wasmasm.Code{0x03, 0x40}, wasmasm.Do(body...), again, wasmasm.Code{0x0d, 0x00, 0x0b})
	}
	for _, test := range []struct {
		name     string
		code     func(g wasmasm.Global) wasmasm.Code
		unrolled int // loops that are
	}{
		{"first in a function", func(g wasmasm.Global) wasmasm.Code { return loop(bump(g, 1)) }, 1},
		{"in the middle", func(g wasmasm.Global) wasmasm.Code { return wasmasm.Do(bump(g, 5), loop(bump(g, 1)), bump(g, 7)) }, 1},
		{"of one instruction less", func(g wasmasm.Global) wasmasm.Code { return loop(bump(g, 1), wasmasm.Code{0x01}) }, 1},
		{"one after the other", func(g wasmasm.Global) wasmasm.Code {
			return wasmasm.Do(loop(bump(g, 1)), wasmasm.I32(3), wasmasm.Set(0), loop(bump(g, 100)))
		}, 2},
		{"in an if", func(g wasmasm.Global) wasmasm.Code {
			return wasmasm.Do(wasmasm.Get(0), wasmasm.If(loop(bump(g, 1)), bump(g, 9)), bump(g, 3))
		}, 1},
		{"too long", func(g wasmasm.Global) wasmasm.Code { return loop(bump(g, 1), bump(g, 2)) }, 0},
		{"with a block", func(g wasmasm.Global) wasmasm.Code { return loop(wasmasm.Code{0x02, 0x40, 0x0b}, bump(g, 1)) }, 0},
		{"left in the middle", func(g wasmasm.Global) wasmasm.Code {
			return wasmasm.Do(wasmasm.Code{0x02, 0x40}, loop(bump(g, 1), wasmasm.GetGlobal(g), wasmasm.I32(4), wasmasm.Equal(), wasmasm.Code{0x0d, 0x01}), wasmasm.Code{0x0b}, bump(g, 50))
		}, 0},
		{"with a result", func(g wasmasm.Global) wasmasm.Code {
			return wasmasm.Do(wasmasm.Code{0x03, 0x7f}, bump(g, 1), wasmasm.I32(6), again, wasmasm.Code{0x0d, 0x00, 0x0b}, wasmasm.SetGlobal(g))
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := wasmasm.New()
			g := m.Global(0)
			m.ExportGlobal("g", g)
			m.Func("run", "i", "", "", test.code(g))
			m.Func("again", "i", "", "", test.code(g)) // a second pass begins anew
			plain := m.Encode()
			o := options
			o.Quantum = 1
			metered, err := meter.Rewrite(plain, o)
			if err != nil {
				t.Fatal(err)
			}
			// What stands between the rounds of an unrolled loop: eqz, br_if 1.
			if got := bytes.Count(metered, []byte{0x45, 0x0d, 0x01}); got != 3*2*test.unrolled {
				t.Errorf("%d rounds were put in line, want %d", got, 3*2*test.unrolled)
			}
			for rounds := range uint64(20) {
				if rounds == 0 {
					continue
				}
				want, _ := runTight(t, plain, rounds)
				got, _ := runTight(t, metered, rounds)
				if got != want {
					t.Errorf("%d rounds left %d, plain %d", rounds, got, want)
				}
			}
		})
	}
}

// runTight runs one function and returns its global and the fuel it used.
func runTight(t *testing.T, module []byte, rounds uint64) (result uint64, charged int64) {
	t.Helper()
	r := wazero.NewRuntime(t.Context())
	defer r.Close(context.Background())
	charged = 1
	provide(t, r, func(_ context.Context, left int32) int32 {
		charged -= int64(left)
		return 0
	})
	m, err := r.Instantiate(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("run").Call(t.Context(), rounds); err != nil {
		t.Fatal(err)
	}
	return m.ExportedGlobal("g").Get(), charged
}

// TestTightLoopsCharge compares what an unrolled loop is charged with what runs.
func TestTightLoopsCharge(t *testing.T) {
	t.Parallel()
	const perRound = 8 + 1 // bump, count down, branch
	m := wasmasm.New()
	g := m.Global(0)
	m.ExportGlobal("g", g)
	m.Func("run", "i", "", "", wasmasm.Code{0x03, 0x40}, bump(g, 1),
		wasmasm.Get(0), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Code{0x22, 0x00, 0x0d, 0x00, 0x0b})
	o := options
	o.Quantum = 1
	metered, err := meter.Rewrite(m.Encode(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, rounds := range []uint64{1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65} {
		t.Run(fmt.Sprint(rounds), func(t *testing.T) {
			_, charged := runTight(t, metered, rounds)
			ran := int64(rounds * perRound)
			if charged < ran || charged > ran+4*perRound {
				t.Errorf("%d instructions ran, %d were charged", ran, charged)
			}
		})
	}
}
