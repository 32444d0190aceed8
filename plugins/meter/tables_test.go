package meter_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"

	"edge/plugins/meter"
)

// withTables is a module with tables, each "\x70", the kind of its limits, and
// these, and a function "grow" that grows the last by its parameter.
func withTables(tables ...string) []byte {
	var b bytes.Buffer
	b.WriteString("\x00asm\x01\x00\x00\x00" + "\x01\x06\x01\x60\x01\x7f\x01\x7f" + "\x03\x02\x01\x00")
	content := string(rune(len(tables)))
	for _, t := range tables {
		content += t
	}
	b.WriteString("\x04" + string(rune(len(content))) + content)
	b.WriteString("\x07\x08\x01\x04grow\x00\x00")
	code := "\x00\xd0\x70\x20\x00\xfc\x0f" + string(rune(len(tables)-1)) + "\x0b"
	b.WriteString("\x0a" + string(rune(len(code)+2)) + "\x01" + string(rune(len(code))) + code)
	return b.Bytes()
}

// TestTables grows tables as far as they go. What is not wanted to grow is refused.
func TestTables(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		tables []string
		by     uint32
		want   int32
	}{
		{"all there is", []string{"\x70\x00\x00"}, 1 << 20, 0},
		{"one more", []string{"\x70\x00\x00"}, 1<<20 + 1, -1},
		{"without end", []string{"\x70\x00\x03"}, 1<<32 - 1, -1},
		{"half, beside another", []string{"\x70\x00\x00", "\x70\x00\x00"}, 1 << 19, 0},
		{"more than half", []string{"\x70\x00\x00", "\x70\x00\x00"}, 1<<19 + 1, -1},
		{"up to its own bound", []string{"\x70\x01\x03\x05"}, 2, 3},
		{"beyond its own bound", []string{"\x70\x01\x03\x05"}, 3, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			metered, err := meter.Rewrite(withTables(tt.tables...), options)
			if err != nil {
				t.Fatal(err)
			}
			r := wazero.NewRuntime(t.Context())
			t.Cleanup(func() { _ = r.Close(context.Background()) })
			provide(t, r, nil)
			m, err := r.Instantiate(t.Context(), metered)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.ExportedFunction("grow").Call(t.Context(), uint64(tt.by))
			if err != nil || int32(got[0]) != tt.want {
				t.Errorf("growing it by %d gave %d, %v; want %d", tt.by, int32(got[0]), err, tt.want)
			}
		})
	}
}

func TestTooManyTables(t *testing.T) {
	t.Parallel()
	for name, tables := range map[string][]string{
		"one that is too large":      {"\x70\x00\x81\x80\x40"},
		"two that are together":      {"\x70\x00\x80\x80\x20", "\x70\x00\x81\x80\x20"},
		"the largest that there are": {"\x70\x00\xff\xff\xff\xff\x0f"},
	} {
		if _, err := meter.Rewrite(withTables(tables...), options); !errors.Is(err, meter.ErrUnsupported) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
