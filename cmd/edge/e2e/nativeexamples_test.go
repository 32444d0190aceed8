package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExamplesOfOtherLanguages serves the echo examples in Rust and C: the
// WebSocket is routed, plain HTTP is answered, and an error is.
func TestExamplesOfOtherLanguages(t *testing.T) {
	for _, name := range []string{"echo-rust", "echo-c"} {
		t.Run(name, func(t *testing.T) {
			module := filepath.Join(root, "bin", "wasm", name+".wasm")
			_, err := os.Stat(module)
			need(t, err == nil, "the compilers that make wasm names, for "+name)
			e := newEdge(t, settings{runtime: "process", plugins: map[string]string{name: module}, routes: [][2]string{{"/ws/" + name, name}}})
			ws := e.dial("/ws/" + name + "?id=mine")
			if err := echo(ws, "through "+name); err != nil {
				t.Fatal(err)
			}
			const want = `{"id":"mine","state":"running","connections":1}`
			if body, err := e.get("/ws/"+name+"?id=mine", 200); err != nil || body != want {
				t.Errorf("GET = %s, %v, want %s", body, err, want)
			}
			if body, err := e.get("/ws/"+name+"?id=no_good", 400); err != nil {
				t.Errorf("GET with a bad id = %s, %v", body, err)
			}
		})
	}
}
