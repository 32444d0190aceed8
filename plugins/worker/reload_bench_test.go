package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"edge/plugins"
)

// BenchmarkReload is what stands between a save and code that serves, but for the
// notification: build is the module, load its replacing the one that serves.
func BenchmarkReload(b *testing.B) {
	reg, err := plugins.NewRegistry(plugins.Config{CacheDir: cacheDir})
	if err != nil {
		b.Fatal(err)
	}
	defer reg.Close(b.Context())
	file := write(b, "worker.ts", "")
	version := 0
	build := func() []byte {
		version++
		text := fmt.Sprintf("export default { fetch(request: Request) { return new Response('version %d of ' + request.url) } }\n", version)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		built, err := builder(b).Build(b.Context(), file)
		if err != nil {
			b.Fatal(err)
		}
		return built.Module
	}
	module := filepath.Join(b.TempDir(), "worker.wasm")
	load := func(m []byte) {
		if err := os.WriteFile(module, m, 0o600); err != nil {
			b.Fatal(err)
		}
		if _, err := reg.Load(b.Context(), plugins.Spec{Name: "w", Source: module}); err != nil {
			b.Fatal(err)
		}
	}
	load(build())
	b.Run("build", func(b *testing.B) {
		begun := processor(b)
		for b.Loop() {
			build()
		}
		b.ReportMetric((processor(b)-begun)/1000/float64(b.N), "cpu-ms/op")
	})
	b.Run("load", func(b *testing.B) {
		used := 0.0
		for b.Loop() {
			b.StopTimer()
			m := build()
			b.StartTimer()
			begun := processor(b)
			load(m)
			used += processor(b) - begun
		}
		b.ReportMetric(used/1000/float64(b.N), "cpu-ms/op")
	})
}
