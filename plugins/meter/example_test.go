package meter_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"edge/plugins/meter"
	"edge/plugins/wasmasm"
)

// With wazero: the hidden function is a host function like any other, and a panic
// in it ends the guest's call with an error that wraps what it panicked with.
func ExampleRewrite() {
	guest := wasmasm.New()
	guest.Func("spin", "", "", "", wasmasm.Forever())

	metered, err := meter.Rewrite(guest.Encode(), meter.Options{Module: "meter", Name: "refuel"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	i32 := []api.ValueType{api.ValueTypeI32}
	refuel := func(ctx context.Context, fuel []uint64) {
		if err := ctx.Err(); err != nil {
			panic(err)
		}
		fuel[0] = meter.DefaultQuantum
	}
	_, err = r.NewHostModuleBuilder("meter").NewFunctionBuilder().
		WithGoFunction(api.GoFunc(refuel), i32, i32).Export("refuel").Instantiate(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := r.Instantiate(ctx, metered)
	if err != nil {
		fmt.Println(err)
		return
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = m.ExportedFunction("spin").Call(short)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}
