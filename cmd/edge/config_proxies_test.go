package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestExternalHTTPSWantsSomebodyToSaySo warns where URLs say https and no request
// can.
func TestExternalHTTPSWantsSomebodyToSaySo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, content string
		warned        bool
	}{
		{"nobody is trusted", "external: {port: 443}\n", true},
		{"a proxy is trusted", "external: {port: 443}\ntrustedProxies: [127.0.0.1]\n", false},
		{"a proxy is trusted above", "trustedProxies: [127.0.0.1]\nexternal: {scheme: https}\n", false},
		{"TLS of its own", "external: {scheme: https}\ntls: internal\n", false},
		{"http", "external: {scheme: http, port: 80}\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := LoadConfig(configIn(t, tt.content))
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			c.tellWarnings(slog.New(slog.NewTextHandler(&log, nil)))
			if warned := strings.Contains(log.String(), "name the proxy in trustedProxies"); warned != tt.warned {
				t.Errorf("the log says %q, want a warning: %v", &log, tt.warned)
			}
		})
	}
}
