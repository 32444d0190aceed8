package meter_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"edge/plugins/meter"
)

// FuzzRewrite rewrites valid and broken modules. What was not refused must compile
// if and only if the module itself does; nothing makes Rewrite panic, change its
// input, or return more than a few times as many bytes.
func FuzzRewrite(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(generate(seed, false))
	}
	files, err := filepath.Glob(filepath.Join(wazeroDir(f), "internal", "integration_test", "spectest", "v2", "testdata", "*.0.wasm"))
	if err != nil || len(files) < 50 {
		f.Fatalf("wazero's module has %d modules for tests, %v", len(files), err)
	}
	for _, file := range files {
		if module, err := os.ReadFile(file); err == nil && len(module) < 8<<10 {
			f.Add(module)
		}
	}
	f.Fuzz(func(t *testing.T, module []byte) {
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
		defer r.Close(t.Context())
		before := bytes.Clone(module)
		metered, err := meter.Rewrite(module, options)
		if !bytes.Equal(module, before) {
			t.Fatal("the input was changed")
		}
		if len(metered) > 256+8*len(module) {
			t.Errorf("%d bytes became %d", len(module), len(metered))
		}
		if err != nil {
			if !errors.Is(err, meter.ErrMalformed) && !errors.Is(err, meter.ErrUnsupported) && !errors.Is(err, meter.ErrReserved) {
				t.Errorf("error %v has no name", err)
			}
			return // wazero may die of it: it believes the counts of broken modules
		}
		_, plainErr := r.CompileModule(t.Context(), module)
		_, err = r.CompileModule(t.Context(), metered)
		if plainErr != nil && strings.Contains(plainErr.Error(), "section custom") {
			return // names that cannot be read were left out, as the specification wants
		}
		if (plainErr == nil) != (err == nil) {
			t.Errorf("wazero says of the module %v, and of the metered one %v", plainErr, err)
		}
	})
}
