package meter_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"edge/plugins/meter"
	"edge/plugins/wasmasm"
)

// BenchmarkRun runs the same code unlimited, metered, and with the option of
// wazero that metering replaces: a loop of four instructions, and what wazero
// measures itself with.
func BenchmarkRun(b *testing.B) {
	loop := wasmasm.New()
	loop.Func("count", "i", "", "", loopOver(wasmasm.Code{}))
	suite, err := os.ReadFile(filepath.Join(wazeroDir(b), "internal", "integration_test", "bench", "testdata", "case.wasm"))
	if err != nil {
		b.Fatalf("wazero's module has no benchmarks: %v", err)
	}
	for _, work := range []struct {
		name   string
		module []byte
		args   []uint64
	}{
		{"count", loop.Encode(), []uint64{100_000}},
		{"fibonacci", suite, []uint64{20}},
		{"string_manipulation", suite, []uint64{20}},
		{"reverse_array", suite, []uint64{1000}},
		{"random_mat_mul", suite, []uint64{20}},
	} {
		metered, err := meter.Rewrite(work.module, options)
		if err != nil {
			b.Fatal(err)
		}
		for _, how := range []struct {
			name   string
			module []byte
			option bool
		}{{"plain", work.module, false}, {"metered", metered, false}, {"option", work.module, true}} {
			b.Run(work.name+"/"+how.name, func(b *testing.B) {
				f := instance(b, how.module, how.option).ExportedFunction(work.name)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				for b.Loop() {
					if _, err := f.Call(ctx, work.args...); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRewrite meters a program of wazero's tests.
func BenchmarkRewrite(b *testing.B) {
	module, err := os.ReadFile(filepath.Join(wazeroDir(b), "imports", "wasi_snapshot_preview1", "testdata", "tinygo", "wasi.wasm"))
	if err != nil {
		b.Fatalf("wazero's module has no such program: %v", err)
	}
	b.SetBytes(int64(len(module)))
	for b.Loop() {
		if _, err := meter.Rewrite(module, options); err != nil {
			b.Fatal(err)
		}
	}
}

// instance starts a module with what it may import.
func instance(b *testing.B, module []byte, option bool) api.Module {
	b.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(option))
	b.Cleanup(func() { _ = r.Close(ctx) })
	provide(b, r, nil)
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	random := func(context.Context, uint32) uint32 { return 42 }
	text := func(context.Context, uint32, uint32) {} // leaves an empty one
	_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(random).Export("get_random").
		NewFunctionBuilder().WithFunc(text).Export("get_random_string").Instantiate(ctx)
	if err != nil {
		b.Fatal(err)
	}
	m, err := r.Instantiate(ctx, module)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// loopOver runs the body as often as parameter 0 says.
func loopOver(body wasmasm.Code) wasmasm.Code {
	return wasmasm.Do(wasmasm.Code{0x03, 0x40}, body,
		wasmasm.Get(0), wasmasm.I32(-1), wasmasm.Add(), wasmasm.Code{0x22, 0x00, 0x0d, 0x00, 0x0b})
}
