package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"

	"edge/plugins/meter"
)

// outcome is all that a generated module leaves behind.
type outcome struct {
	result  string
	globals [3]uint64
	memory  []byte
	count   uint64 // instructions that ran, if the module counts them
	charged int64  // fuel that was used, if it is metered
}

// run runs a generated module with a host that asks for each check.
func run(t testing.TB, r wazero.Runtime, used *int64, module []byte) outcome {
	t.Helper()
	ctx := context.Background()
	m, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatalf("instantiate: %v", err)
	}
	defer m.Close(ctx)
	*used = 1 // the fuel it begins with
	var out outcome
	results, err := m.ExportedFunction("run").Call(ctx, 12345)
	out.result = fmt.Sprint(results)
	if err != nil {
		text, _, _ := bytes.Cut([]byte(err.Error()), []byte("\n"))
		out.result = string(text)
	}
	if _, err := m.ExportedFunction("flush").Call(ctx); err != nil {
		t.Fatal(err)
	}
	out.charged = *used
	for i, name := range []string{"a", "b", "c"} {
		out.globals[i] = m.ExportedGlobal(name).Get()
	}
	out.count = m.ExportedGlobal("count").Get()
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	out.memory = bytes.Clone(memory)
	return out
}

// TestGenerated runs random modules metered and not: they leave the same behind,
// and what was charged is never less than the instructions that ran.
func TestGenerated(t *testing.T) {
	t.Parallel()
	const seeds = 400
	r := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	var used int64
	provide(t, r, func(_ context.Context, left int32) int32 {
		used -= int64(left)
		return 0
	})
	var ran, charged uint64
	for seed := range uint64(seeds) {
		plain, counting := generate(seed, false), generate(seed, true)
		o := options
		o.Quantum = 1
		metered, err := meter.Rewrite(plain, o)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want, exact, got := run(t, r, &used, plain), run(t, r, &used, counting), run(t, r, &used, metered)
		if got.result != want.result || got.globals != want.globals || !bytes.Equal(got.memory, want.memory) || exact.result != want.result {
			t.Errorf("seed %d: metered %s %v, plain %s %v", seed, got.result, got.globals, want.result, want.globals)
		}
		// A short function that the host calls is free.
		if got.charged+16 < int64(exact.count) {
			t.Errorf("seed %d: %d instructions ran, %d were charged", seed, exact.count, got.charged)
		}
		ran, charged = ran+exact.count, charged+uint64(max(0, got.charged))
	}
	t.Logf("%d instructions ran, %d were charged: %.2f times as many", ran, charged, float64(charged)/float64(ran))
}
