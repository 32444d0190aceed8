package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edge/sandboxmgr/runtimetest"
)

// clientDir writes a Docker client's folder with a context "far", current or not.
func clientDir(t *testing.T, config, meta string) string {
	t.Helper()
	dir := t.TempDir()
	sum := sha256.Sum256([]byte("far"))
	digest := hex.EncodeToString(sum[:])
	files := map[string]string{"contexts/meta/" + digest + "/meta.json": meta}
	if config != "" {
		files["config.json"] = config
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLocate(t *testing.T) {
	t.Parallel()
	const far = `{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2376","SkipTLSVerify":true}}}`
	current := clientDir(t, `{"currentContext":"far","auths":{}}`, far)
	other := clientDir(t, "", far)
	for _, tt := range []struct {
		name string
		cfg  Config
		want address
		err  string
	}{
		{"nothing", Config{}, address{host: "unix:///var/run/docker.sock"}, ""},
		{"a host", Config{Host: "tcp://h:1", CertPath: "/c", ClientDir: current}, address{host: "tcp://h:1", certs: "/c"}, ""},
		{"the current context", Config{ClientDir: current}, address{host: "tcp://far:2376", skipVerify: true}, ""},
		{"a context by name", Config{ClientDir: other, Context: "far"}, address{host: "tcp://far:2376", skipVerify: true}, ""},
		{"none is current", Config{ClientDir: other}, address{host: "unix:///var/run/docker.sock"}, ""},
		{"no folder", Config{ClientDir: "/no/such/folder"}, address{host: "unix:///var/run/docker.sock"}, ""},
		{"the default by name", Config{ClientDir: current, Context: "default"}, address{host: "unix:///var/run/docker.sock"}, ""},
		{"an unknown context", Config{ClientDir: current, Context: "near"}, address{}, `no Docker context "near"`},
		{"not JSON", Config{ClientDir: clientDir(t, "{", far)}, address{}, "config.json"},
		{"a context that is not JSON", Config{ClientDir: clientDir(t, "", "{"), Context: "far"}, address{}, `context "far"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.cfg.locate()
			if tt.err == "" && (err != nil || got != tt.want) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%+v, %v; want %+v, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host, system string
		sharing      Sharing
		want         bool
	}{
		{"unix:///var/run/docker.sock", "Debian", SharingAuto, true},
		{"unix:///var/run/docker.sock", dockerDesktop, SharingAuto, false},
		{"unix:///var/run/docker.sock", "Debian", SharingNo, false},
		{"tcp://127.0.0.1:2375", "Debian", SharingAuto, false},
		{"tcp://127.0.0.1:2375", "Debian", SharingYes, true},
		{"ssh://user@far", "Debian", SharingAuto, false},
	} {
		r := &Runtime{host: tt.host, sharing: tt.sharing}
		if got := r.shares(&engine{system: tt.system}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestSSHAddress(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"ssh://", "ssh://-oProxyCommand=x", "ssh://u:secret@far", "ssh://far?x=y"} {
		u, err := url.Parse(bad)
		if err != nil {
			continue
		}
		if _, err := sshDialer(u); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestSSH is not parallel: it puts its own ssh on PATH. That one runs what ssh
// would run on the other computer on this one.
func TestSSH(t *testing.T) {
	newBench(t) // skips without an engine
	dir := t.TempDir()
	script := `#!/bin/sh
while [ "$1" != "--" ]; do args="$args $1"; shift; done
case "$args" in *"-l user -p 2222"*) ;; *) echo "wrong arguments: $args" >&2; exit 255;; esac
[ "$2" = far ] || { echo "no route to $2" >&2; exit 255; }
shift 2
exec "$@"
`
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	r, err := New(Config{Host: "ssh://user@far:2222"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := benchOn(t, r)
	b.Apart = true
	m, g := b.Start(t)
	g.Do(t, command{Write: "/workspace/file", Text: "kept"})
	runtimetest.Stop(t, m)
	_, g = b.Start(t)
	if got := g.Do(t, command{Read: "/workspace/file"}); got != "kept" {
		t.Errorf("the file holds %q", got)
	}

	lost, err := New(Config{Host: "ssh://user@elsewhere:2222"})
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	if err := lost.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no route to elsewhere") {
		t.Errorf("Check = %v, want what ssh says", err)
	}
}
