package main

import (
	"bytes"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
)

// TestExposedAdminIsWarnedOf wants a warning exactly when other machines can
// reach the admin API.
func TestExposedAdminIsWarnedOf(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, "0.0.0.0:0": true} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			var log bytes.Buffer
			(&adminDoor{tcp: ln, log: slog.New(slog.NewTextHandler(&log, nil))}).warnExposed()
			if got := strings.Contains(log.String(), "does not encrypt"); got != want {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}

// TestAdminHosts wants the admin API to answer to the name that it was told to
// listen on, and to no other.
func TestAdminHosts(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string][]string{
		"":                    nil,
		"127.0.0.1:8788":      nil,
		"[::1]:8788":          nil,
		"edge.internal:8788":  {"edge.internal"},
		"localhost:8788":      {"localhost"},
		"not even an address": nil,
	} {
		if got := adminHosts(listen); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", listen, got, want)
		}
	}
}
