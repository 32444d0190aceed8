package meter_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/tetratelabs/wazero"

	"edge/plugins/meter"
	"edge/plugins/wasmasm"
)

// TestRest has a function with much other code call another in a loop, as an
// interpreter does: what it is charged behind the call is for what may follow there,
// not for all that the function has.
func TestRest(t *testing.T) {
	t.Parallel()
	const rounds, other = 1000, 20_000
	m := wasmasm.New()
	g := m.Global(0)
	callee := m.Func("", "", "", "", bytes.Repeat(bump(g, 1), 10))
	code := wasmasm.Do(
		wasmasm.Code{0x02, 0x40, 0x03, 0x40}, // block, loop
		wasmasm.Call(callee),
		wasmasm.Get(0), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Code{0x22, 0x00, 0x45}, // local.tee, i32.eqz
		wasmasm.Code{0x0d, 0x01}, // br_if 1
		wasmasm.Code{0x0c, 0x00}, // br 0
		wasmasm.Code{0x0b, 0x0b},
		wasmasm.GetGlobal(g), wasmasm.If(bytes.Repeat(bump(g, 1), other/4), nil))
	m.Func("run", "i", "", "", code)
	m.ExportGlobal("g", g)
	o := options
	o.Quantum, o.Fuel = 1, "fuel"
	metered, err := meter.Rewrite(m.Encode(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntime(t.Context())
	defer r.Close(context.Background())
	charged := int64(1)
	provide(t, r, func(_ context.Context, left int32) int32 {
		charged -= int64(left)
		return 0
	})
	guest, err := r.Instantiate(t.Context(), metered)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guest.ExportedFunction("run").Call(t.Context(), rounds); err != nil {
		t.Fatal(err)
	}
	charged -= int64(int32(guest.ExportedGlobal("fuel").Get()))
	ran := int64(rounds*(40+8) + other)
	if charged < ran || charged > 2*ran {
		t.Errorf("about %d instructions ran, %d were charged", ran, charged)
	}
}
