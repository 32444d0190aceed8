package main

import (
	"log/slog"
	"path/filepath"
	"testing"
)

func TestPrecedence(t *testing.T) {
	t.Parallel()
	env := func(set map[string]string) func(string) string { return func(k string) string { return set[k] } }
	all := map[string]string{"EDGE_LISTEN": ":2", "EDGE_DOMAIN": "env.test", "EDGE_STATE": "/env", "EDGE_LOG_LEVEL": "error", "EDGE_LOG_FORMAT": "json"}
	file := &Config{File: "edge.yaml", Listen: ":3", Domain: "file.test", State: "/file"}
	tests := []struct {
		name   string
		flags  Flags
		env    map[string]string
		config *Config
		want   Settings
	}{
		{"flag", Flags{":1", "flag.test", "/flag", "debug", "text"}, all, file, Settings{":1", "flag.test", "/flag", slog.LevelDebug, "text"}},
		{"environment", Flags{}, all, file, Settings{":2", "env.test", "/env", slog.LevelError, "json"}},
		{"file", Flags{}, nil, file, Settings{":3", "file.test", "/file", slog.LevelInfo, "text"}},
		{"default", Flags{}, nil, &Config{}, Settings{":8787", "localhost", "/default", slog.LevelInfo, "text"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := settle(tt.flags, env(tt.env), tt.config, "/default", serveLogLevel)
			if err != nil || got != tt.want {
				t.Errorf("settle = %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestBadSettingsNameTheirSource(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		flags Flags
		env   map[string]string
		want  string
	}{
		{"flag", Flags{Listen: "8787"}, nil, `--listen: "8787" is not an address; want "host:port" like ":8787" or "127.0.0.1:8787"`},
		{"environment", Flags{}, map[string]string{"EDGE_DOMAIN": "a_b"}, `EDGE_DOMAIN: "a_b" is not a domain name; labels are a-z, 0-9 and inner "-", 1 to 63 characters`},
		{"level", Flags{LogLevel: "loud"}, nil, `--log-level: "loud" is not a log level; want debug, info, warn or error`},
		{"format", Flags{}, map[string]string{"EDGE_LOG_FORMAT": "xml"}, `EDGE_LOG_FORMAT: "xml" is not a log format; want text or json`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := settle(tt.flags, func(k string) string { return tt.env[k] }, &Config{}, "/s", serveLogLevel)
			if err == nil || err.Error() != tt.want {
				t.Errorf("err = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestServerStateIsBesideTheFileOrTheSystems(t *testing.T) {
	t.Parallel()
	c := &Config{Dir: "/srv/app"}
	if got := stateFor(c, 0); got != systemState {
		t.Errorf("as root: %s", got)
	}
	if got, want := stateFor(c, 1000), filepath.Join("/srv/app", ".edge"); got != want {
		t.Errorf("as a user: %s, want %s", got, want)
	}
}
