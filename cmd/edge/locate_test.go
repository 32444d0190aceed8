package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edge/cmd/edge/remote"
)

// TestLocate tells where an edge is looked for. DIR is the configuration's
// folder.
func TestLocate(t *testing.T) {
	t.Parallel()
	const dev, system = ".edge/run/admin.sock of an edge dev here", "/var/lib/edge/run/admin.sock of the system's edge"
	beside := "DIR/.edge/run/admin.sock CONFIG"
	if os.Geteuid() == 0 {
		beside += ", /var/lib/edge/run/admin.sock CONFIG"
	}
	at := func(listen string) string { return "state: ./s\nadmin: {listen: \"" + listen + "\"}\n" }
	tests := []struct {
		name, config string // of the file that --config names; empty names none
		flags        remote.Connection
		env          map[string]string
		want         string
	}{
		{"nothing", "", remote.Connection{}, nil, dev + ", " + system},
		{"state in the environment", "", remote.Connection{}, map[string]string{"EDGE_STATE": "/s"}, "/s/run/admin.sock EDGE_STATE, " + dev + ", " + system},
		{"configuration", "domain: localhost\n", remote.Connection{}, nil, beside},
		{"its state", "state: ./s\n", remote.Connection{}, nil, "DIR/s/run/admin.sock CONFIG"},
		{"its socket", "state: /s\nadmin: {socket: a.sock}\n", remote.Connection{}, nil, "/s/a.sock CONFIG"},
		{"its absolute socket", "admin: {socket: /run/a.sock}\n", remote.Connection{}, nil, "/run/a.sock CONFIG"},
		{"what is wrong elsewhere", "state: /s\nplugins: {a: {source: nowhere.wasm}}\nzzz: 1\n", remote.Connection{}, nil, "/s/run/admin.sock CONFIG"},
		{"flag", "state: /s\n", remote.Connection{Admin: "/a.sock"}, map[string]string{"EDGE_ADMIN": "/b.sock"}, "/a.sock --admin"},
		{"environment", "", remote.Connection{}, map[string]string{"EDGE_ADMIN": "/b.sock"}, "/b.sock EDGE_ADMIN"},
		{"a flag before the environment", "state: /s\n", remote.Connection{}, map[string]string{"EDGE_ADMIN": "/b.sock"}, "/s/run/admin.sock CONFIG"},
		{"address with its token", at("127.0.0.1:1"), remote.Connection{Admin: "127.0.0.1:1"}, nil, "http://127.0.0.1:1 --admin token-of-s"},
		{"one of all addresses", at("0.0.0.0:1"), remote.Connection{Admin: "http://localhost:1"}, nil, "http://localhost:1 --admin token-of-s"},
		{"no token for another port", at("127.0.0.1:2"), remote.Connection{Admin: "127.0.0.1:1"}, nil, "http://127.0.0.1:1 --admin"},
		{"no token for another address", at("127.0.0.1:1"), remote.Connection{Admin: "127.0.0.2:1"}, nil, "http://127.0.0.2:1 --admin"},
		{"no token for another protocol", at("127.0.0.1:1"), remote.Connection{Admin: "https://127.0.0.1:1"}, nil, "https://127.0.0.1:1 --admin"},
		{"no token for an address that is not named", "state: ./s\n", remote.Connection{Admin: "127.0.0.1:8788"}, nil, "http://127.0.0.1:8788 --admin"},
		{"token in the environment", "state: ./s\n", remote.Connection{Admin: "127.0.0.1:1"}, map[string]string{"EDGE_ADMIN_TOKEN": "t"}, "http://127.0.0.1:1 --admin t"},
		{"no token for others", "state: ./s\n", remote.Connection{Admin: "https://elsewhere.example"}, nil, "https://elsewhere.example --admin"},
		{"named token for others", "", remote.Connection{Admin: "https://elsewhere.example", TokenFile: "DIR/s/admin.token"}, nil, "https://elsewhere.example --admin token-of-s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := configIn(t, tt.config)
			dir := filepath.Dir(file)
			if err := os.MkdirAll(dir+"/s", 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/s/admin.token", []byte("token-of-s\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.config != "" {
				tt.flags.Config = file
			}
			tt.flags.TokenFile = strings.Replace(tt.flags.TokenFile, "DIR", dir, 1)
			term := quietTerminal(new(bytes.Buffer), new(bytes.Buffer))
			term.getenv = func(k string) string { return tt.env[k] }
			addresses, err := term.locate(tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range addresses {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", a, a.From, a.Token)))
			}
			text := strings.ReplaceAll(strings.Join(got, ", "), file, "CONFIG")
			if text = strings.ReplaceAll(text, dir, "DIR"); text != tt.want {
				t.Errorf("looked for at %s\nwant %s", text, tt.want)
			}
		})
	}
}

func TestLocateRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, config string
		flags        remote.Connection
		want         string
	}{
		{"off", "admin: off\n", remote.Connection{}, "edge.yaml turns the admin API off; name another edge with --admin or EDGE_ADMIN"},
		{"no file", "", remote.Connection{Config: "nowhere.yaml"}, "nowhere.yaml: no such file or directory"},
		{"bad section", "admin: {lisen: x}\n", remote.Connection{}, `edge.yaml:1:9: admin: unknown key "lisen"; did you mean "listen"?`},
		{"bad address", "", remote.Connection{Admin: "ftp://x"}, `--admin: "ftp://x" is not an address; want a URL like "http://127.0.0.1:8788", HOST:PORT, or the path of a socket`},
		{"token file without an address", "", remote.Connection{TokenFile: "t"}, "--token-file: an edge that is found by its socket asks for no token; name its address with --admin HOST:PORT, or leave the file out"},
		{"token file for a socket", "", remote.Connection{Admin: "/a.sock", TokenFile: "t"}, "--token-file: the socket /a.sock asks for no token; leave the file out"},
		{"no token", "", remote.Connection{Admin: "a:1", TokenFile: "/dev/null"}, "--token-file: /dev/null does not hold a token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := configIn(t, tt.config)
			if tt.config != "" {
				tt.flags.Config = file
			}
			_, err := quietTerminal(new(bytes.Buffer), new(bytes.Buffer)).locate(tt.flags)
			if err == nil || strings.ReplaceAll(err.Error(), filepath.Dir(file)+"/", "") != tt.want {
				t.Errorf("err = %v, want %s", err, tt.want)
			}
		})
	}
}
