package replay

import (
	"os"
	"path/filepath"
	"testing"

	"edge/plugins"
)

// BenchmarkRecording decides with and without a recorder: what --record costs a
// request, and that none costs nothing. Lines that find no room are dropped.
func BenchmarkRecording(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		name := "off"
		if recorded {
			name = "on"
		}
		b.Run(name, func(b *testing.B) {
			config := plugins.Config{}
			if recorded {
				r, err := Create(filepath.Join(b.TempDir(), "r.jsonl"), Options{MaxBytes: 1 << 40})
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				config.Recorder = r
			}
			registry, err := plugins.NewRegistry(config)
			if err != nil {
				b.Fatal(err)
			}
			defer registry.Close(b.Context())
			source := filepath.Join(b.TempDir(), "p.wasm")
			if err := os.WriteFile(source, newGuest().respond(200).module(), 0o600); err != nil {
				b.Fatal(err)
			}
			p, err := registry.Load(b.Context(), plugins.Spec{Name: "p", Source: source, Secrets: map[string]string{"none": "-"}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Decide(b.Context(), request("/a")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
