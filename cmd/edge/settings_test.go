package main

import (
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"
)

func TestPrecedence(t *testing.T) {
	t.Parallel()
	env := func(set map[string]string) func(string) string { return func(k string) string { return set[k] } }
	all := map[string]string{"EDGE_LISTEN": ":2", "EDGE_DOMAIN": "env.test", "EDGE_STATE": "/env", "EDGE_LOG_LEVEL": "error", "EDGE_LOG_FORMAT": "json", "EDGE_ADMIN_LISTEN": "127.0.0.1:2"}
	file := &Config{File: "edge.yaml", Listen: ":3", Domains: []string{"file.test", "other.test"}, State: "/file", Admin: Admin{Listen: "127.0.0.1:3", Socket: "/a.sock", Token: "t"}}
	tests := []struct {
		name   string
		flags  Flags
		env    map[string]string
		config *Config
		want   Settings
	}{
		{"flag", Flags{":1", "flag.test,b.test", "/flag", "127.0.0.1:1", "debug", "text"}, all, file, Settings{
			":1", []string{"flag.test", "b.test"}, External{}, "/flag", slog.LevelDebug, "text", AdminSettings{"127.0.0.1:1", "/a.sock", "/flag/t"},
		}},
		{"environment", Flags{}, all, file, Settings{":2", []string{"env.test"}, External{}, "/env", slog.LevelError, "json", AdminSettings{"127.0.0.1:2", "/a.sock", "/env/t"}}},
		{"file", Flags{}, nil, file, Settings{":3", []string{"file.test", "other.test"}, External{}, "/file", slog.LevelInfo, "text", AdminSettings{"127.0.0.1:3", "/a.sock", "/file/t"}}},
		{"default", Flags{}, nil, &Config{}, Settings{":8787", []string{"localhost"}, External{}, "/default", slog.LevelInfo, "text", AdminSettings{
			defaultAdminListen, "/default/run/admin.sock", "/default/admin.token",
		}}},
		{"admin off", Flags{}, nil, &Config{Admin: Admin{Off: true}}, Settings{":8787", []string{"localhost"}, External{}, "/default", slog.LevelInfo, "text", AdminSettings{}}},
		{"admin on by flag", Flags{AdminListen: "[::1]:1"}, nil, &Config{Admin: Admin{Off: true}}, Settings{
			":8787", []string{"localhost"}, External{}, "/default", slog.LevelInfo, "text", AdminSettings{"[::1]:1", "/default/run/admin.sock", "/default/admin.token"},
		}},
		{"admin by socket", Flags{AdminListen: "off"}, nil, &Config{}, Settings{
			":8787", []string{"localhost"}, External{}, "/default", slog.LevelInfo, "text", AdminSettings{"", "/default/run/admin.sock", "/default/admin.token"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := settle(tt.flags, env(tt.env), tt.config, "/default", serveLogLevel)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
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
		{"domain twice", Flags{Domain: "a.test,b.test,a.test"}, nil, `--domain: "a.test" stands there twice`},
		{"level", Flags{LogLevel: "loud"}, nil, `--log-level: "loud" is not a log level; want debug, info, warn or error`},
		{"admin", Flags{}, map[string]string{"EDGE_ADMIN_LISTEN": ":1"}, `EDGE_ADMIN_LISTEN: ":1" names no host; want "127.0.0.1:1", or "0.0.0.0:1" if other machines shall reach the admin API, which does not encrypt`},
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
