package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"edge/plugins/meter"
)

// TestGuests runs programs that compilers made of Go (TinyGo), Rust, C and Zig,
// metered and not: they print the same.
func TestGuests(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(wazeroDir(t), "imports", "wasi_snapshot_preview1", "testdata")
	for _, compiler := range []string{"tinygo", "cargo-wasi", "zig-cc", "zig"} {
		t.Run(compiler, func(t *testing.T) {
			t.Parallel()
			module, err := os.ReadFile(filepath.Join(dir, compiler, "wasi.wasm"))
			if err != nil {
				t.Fatalf("wazero's module has no such program: %v", err)
			}
			metered, err := meter.Rewrite(module, options)
			if err != nil {
				t.Fatal(err)
			}
			printed := 0
			for _, args := range [][]string{{"ls", "."}, {"ls", "./a-"}, {"stat"}, {"poll"}, {"nothing"}} {
				want, got := perform(t, module, args), perform(t, metered, args)
				if got != want {
					t.Errorf("%v: metered it printed\n%s, plain\n%s", args, got, want)
				}
				printed += len(want)
			}
			if printed == 0 {
				t.Error("nothing was printed at all")
			}
		})
	}
}

// perform runs a program and returns what it printed and how it ended.
func perform(t *testing.T, module []byte, args []string) string {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	provide(t, r, nil)
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	files := fstest.MapFS{"-": {}, "a-/x": {Data: []byte("x")}, "ab-": {Mode: os.ModeDir}}
	var out bytes.Buffer
	_, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().
		WithArgs(append([]string{"wasi"}, args...)...).WithStdout(&out).WithStderr(&out).WithFS(files))
	line, _, _ := bytes.Cut([]byte(fmt.Sprint(err)), []byte("\n"))
	return out.String() + string(line)
}
