package main

import (
	"testing"

	"edge/abi"
	"edge/plugins"
)

// TestFetchFlag has a refused host name the flag that then allows it.
func TestFetchFlag(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scheme, host string
		port         int
		want         string
	}{
		{"https", "api.example.com", 443, "api.example.com"},
		{"https", "api.example.com", 8443, "api.example.com:8443"},
		{"http", "api.example.com", 80, "http://api.example.com"},
		{"http", "10.0.0.5", 8080, "http://10.0.0.5:8080"},
		{"https", "2001:db8::1", 443, "[2001:db8::1]"},
		{"http", "2001:db8::1", 8080, "http://[2001:db8::1]:8080"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			err := adviseFlag((*plugins.Grants)(nil).FetchHost)(tt.scheme, tt.host, tt.port)
			if want := "start edge dev with --fetch " + tt.want + "; in an edge.yaml it is grants.fetch"; err == nil || abi.AsError(err).Suggestion != want {
				t.Errorf("got %v with %q, want %q", err, abi.AsError(err).Suggestion, want)
			}
			granted := &plugins.Grants{Fetch: []string{tt.want}}
			if err := adviseFlag(granted.FetchHost)(tt.scheme, tt.host, tt.port); err != nil {
				t.Errorf("--fetch %s does not allow it: %v", tt.want, err)
			}
		})
	}
}
