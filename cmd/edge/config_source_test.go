package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sourceFolder is a folder with one source of each kind on disk.
func sourceFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"app.wasm", "go/main.go", "go/app.wasm", "versions/v1.wasm", "versions/notes.txt", "layout/oci-layout", "empty/.keep"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSources(t *testing.T) {
	t.Parallel()
	dir := sourceFolder(t)
	digest := "sha256:" + strings.Repeat("0a", 32)
	for i, tt := range []struct {
		text   string
		kind   sourceKind
		source string // DIR is the folder
		poll   time.Duration
	}{
		{"app.wasm", sourceFile, "DIR/app.wasm", 0},
		{"go", sourceGo, "DIR/go", 0},
		{"./versions", sourceVersions, "DIR/versions", 0},
		{"upload", sourceUpload, "upload", 0},
		{"oci-layout:layout", sourceLayout, "oci-layout:DIR/layout", 0},
		{"oci-layout:./layout:v1.2", sourceLayout, "oci-layout:DIR/layout:v1.2", 0},
		{"oci-layout:layout@" + digest, sourceLayout, "oci-layout:DIR/layout@" + digest, 0},
		{"oci://registry.example/team/chat:v1", sourceRegistry, "oci://registry.example/team/chat:v1", defaultPoll},
		{"oci+http://registry.example:5000/chat, poll: 5s", sourceRegistry, "oci+http://registry.example:5000/chat", 5 * time.Second},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			text, poll, _ := strings.Cut(tt.text, ", ")
			line := "plugins: {p: {source: \"" + text + "\", " + poll + "}}\n"
			file := filepath.Join(dir, fmt.Sprintf("edge-%d.yaml", i)) // its paths are relative to dir
			if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := LoadConfig(file)
			if err != nil {
				t.Fatal(err)
			}
			p := c.Plugins[0]
			if want := strings.ReplaceAll(tt.source, "DIR", dir); p.Kind != tt.kind || p.Source != want || p.Poll != tt.poll {
				t.Errorf("%q is %s %q with poll %v; want %s %q, %v", tt.text, p.Kind, p.Source, p.Poll, tt.kind, want, tt.poll)
			}
		})
	}
}

func TestSourceRefusals(t *testing.T) {
	t.Parallel()
	dir := sourceFolder(t)
	for _, tt := range []struct{ name, entry, want string }{
		{"no layout", `source: "oci-layout:versions"`, "DIR/versions is no OCI image layout: its file oci-layout: no such file or directory"},
		{"layout tag", `source: "oci-layout:layout:a b"`, `"a b" is no tag`},
		{"layout digest", `source: "oci-layout:layout@sha256:12"`, `"sha256:12" is no digest`},
		{"layout without a path", `source: "oci-layout:"`, "names no folder"},
		{"registry without a repository", `source: "oci://registry.example"`, "is no reference; want oci://REGISTRY/REPOSITORY"},
		{"registry tag", `source: "oci://registry.example/chat:a b"`, "is no reference"},
		{"upper case", `source: "oci://registry.example/Chat"`, "is no reference"},
		{"poll of a file", `source: app.wasm, poll: 1m`, "poll is how often a registry is asked; the source DIR/app.wasm is watched"},
		{"poll too often", `source: "oci://registry.example/chat", poll: 10ms`, "10ms is less than 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-")+".yaml")
			if err := os.WriteFile(file, []byte("plugins: {p: {"+tt.entry+"}}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadConfig(file)
			if want := strings.ReplaceAll(tt.want, "DIR", dir); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}
