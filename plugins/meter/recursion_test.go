package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"edge/plugins/meter"
	"edge/plugins/wasmasm"
)

// TestReturns unwinds a deep recursion whose functions do their work after the
// call: the host is asked while that goes on, not only on the way down.
func TestReturns(t *testing.T) {
	t.Parallel()
	const depth, step = 1000, 4 // what one round of the work costs
	for _, rounds := range []int{1000, 10_000} {
		t.Run(fmt.Sprint(rounds, " rounds"), func(t *testing.T) {
			t.Parallel()
			m := wasmasm.New()
			done := m.Global(0)
			work := bytes.Repeat(wasmasm.Do(wasmasm.GetGlobal(done), wasmasm.I32(1), wasmasm.Add(), wasmasm.SetGlobal(done)), rounds)
			m.Func("deep", "i", "", "", wasmasm.Get(0),
				wasmasm.If(wasmasm.Do(wasmasm.Get(0), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Call(0)), nil), work)
			m.ExportGlobal("done", done)
			metered, err := meter.Rewrite(m.Encode(), options)
			if err != nil {
				t.Fatal(err)
			}
			r := wazero.NewRuntime(t.Context())
			t.Cleanup(func() { _ = r.Close(context.Background()) })
			var (
				count        api.Global
				asked, worst uint64
			)
			provide(t, r, func(context.Context, int32) int32 {
				worst, asked = max(worst, count.Get()-asked), count.Get()
				return meter.DefaultQuantum
			})
			guest, err := r.Instantiate(t.Context(), metered)
			if err != nil {
				t.Fatal(err)
			}
			count = guest.ExportedGlobal("done")
			if _, err := guest.ExportedFunction("deep").Call(t.Context(), depth); err != nil {
				t.Fatal(err)
			}
			all := count.Get()
			if want := uint64(rounds * (depth + 1)); all != want {
				t.Fatalf("%d rounds of work were done, want %d", all, want)
			}
			// A sixteenth of what is left is charged, and one function runs to its end.
			limit := uint64(17*meter.DefaultQuantum/step + 2*rounds)
			if worst = max(worst, all-asked); worst > limit {
				t.Errorf("%d rounds of %d were done without a question, want at most %d", worst, all, limit)
			}
		})
	}
}
