package main

import (
	"os"
	"strings"
	"testing"
)

// FuzzConfig reads anything as edge.yaml: it is accepted, or refused with a
// place and a reason.
func FuzzConfig(f *testing.F) {
	sample, err := os.ReadFile("testdata/edge.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(sample))
	for _, s := range []string{
		"", "a", "- a", "? a\n: b", "a: &x {b: *x}", "plugins: {chat: {source: chat.wasm, config: {a: [1, 2.5, null, .inf, 0x1F]}}}",
		"sandboxes:\n  S:\n    start: [{argv: [a], port: 1e4}]\n    env: {A: |\n      x\n}\n", "routes: [{plugin: [*a]}]", "listen: !!str :1",
	} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		c := &Config{File: "edge.yaml", Dir: dir}
		doc, root, err := parseDocument("edge.yaml", []byte(content))
		if err == nil {
			c.read(root)
			err = doc.err()
		}
		if err != nil && !strings.HasPrefix(err.Error(), "edge.yaml:") {
			t.Errorf("error without a place: %v", err)
		}
	})
}
