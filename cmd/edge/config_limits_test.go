package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/host"
)

func TestLimitsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, line, want string }{
		{"typo", "conections: 1", `10: limits: unknown key "conections"; did you mean "connections"?`},
		{"no mapping", "many", `9: limits: is "many"; want a mapping of keys to values`},
		{"connections", "connections: many", `23: limits.connections: is "many"; want auto or a whole number from 1 to 10000000`},
		{"connections none", "connections: 0", `23: limits.connections: is "0"; want auto or a whole number from 1 to 10000000`},
		{"connections negative", "connections: -1", `23: limits.connections: -1 is not a whole number from 1 to 10000000`},
		{"per sandbox", "connectionsPerSandbox: auto", `33: limits.connectionsPerSandbox: is "auto"; want a whole number from 0 to 10000000`},
		{"per client", "connectionsPerClient: 1.5", `32: limits.connectionsPerClient: 1.5 is not a whole number from 0 to 10000000`},
		{"head small", "head: 1KiB", `16: limits.head: 1KiB is not between 4KiB and 1MiB`},
		{"head large", "head: 2MiB", `16: limits.head: 2MiB is not between 4KiB and 1MiB`},
		{"head timeout", "headTimeout: 0", `23: limits.headTimeout: 0 is not above 0 and at most 1h0m0s`},
		{"handshake timeout", "handshakeTimeout: never", `28: limits.handshakeTimeout: "never" is not a duration; want a number with a unit, like "10s", "5m" or "1h"`},
		{"dead peer", "deadPeer: 1s", `20: limits.deadPeer: 1s is less than 5s, within which a peer that lives can be silent`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			line := "{" + tt.line + "}"
			if !strings.Contains(tt.line, ":") {
				line = tt.line
			}
			refusal(t, "limits: "+line+"\n", "edge.yaml:1:"+tt.want)
		})
	}
}

func TestDescriptorsAreShared(t *testing.T) {
	t.Parallel()
	unbounded, ten := Sandbox{}, Sandbox{MaxSandboxes: 10}
	for _, tt := range []struct {
		limit       uint64
		bindings    []Sandbox
		connections int
	}{
		{20_000, nil, (20_000 - 64 - 312) / 2},
		{20_000, []Sandbox{unbounded}, (20_000 - 64 - 312 - 640) / 2},
		{20_000, []Sandbox{ten, unbounded}, (20_000 - 64 - 312 - 400 - 640) / 2},
		{1024, []Sandbox{unbounded}, 1024 / 4}, // at least half is for connections
		{1 << 20, nil, (1<<20 - 64 - 1024) / 2},
		{64, nil, 1},
		{1<<64 - 1, nil, (1<<31 - 1 - 64 - 1024) / 2},
		{0, nil, 0},
	} {
		b := shareDescriptors(tt.limit, tt.bindings)
		if got := b.connections(); got != tt.connections || b.limit > 64 && b.own+b.sandboxes+2*got > b.limit {
			t.Errorf("%d with %d bindings: %d connections, want %d (%s)", tt.limit, len(tt.bindings), got, tt.connections, b)
		}
	}
}

func TestLimitsAreDescribed(t *testing.T) {
	t.Parallel()
	b := shareDescriptors(20_000, []Sandbox{{}})
	for want, l := range map[string]Limits{
		"at most 9492 connections: 20000 descriptors, less 376 for the edge and 640 for sandboxes, 2 for each": {},
		"at most 100 connections; the descriptors are enough for 9492":                                         {Connections: 100},
		"at most 10000 connections are asked for, and the descriptors are enough for 9492":                     {Connections: 10_000},
	} {
		if got := l.describe(b); !strings.HasPrefix(got, want) {
			t.Errorf("described as %q, want %q", got, want)
		}
	}
	if got := (Limits{}).describe(descriptorBudget{}); !strings.HasPrefix(got, "at most any number of connections;") {
		t.Errorf("an unknown budget is %q", got)
	}
}

// TestLimitsReachTheServer opens a server and looks at what it was made of.
func TestLimitsReachTheServer(t *testing.T) {
	t.Parallel()
	l := Limits{
		Connections: 100, PerBinding: 50, PerSandbox: 20, PerExposure: 10, PerClient: 5,
		Head: 32 << 10, HeadTimeout: 5 * time.Second, HandshakeTimeout: 3 * time.Second, DeadPeer: 30 * time.Second,
	}
	want := host.Limits{Connections: 100, PerBinding: 50, PerSandbox: 20, PerExposure: 10, PerClient: 5}
	if got := l.host(descriptorBudget{limit: 1000}); got != want {
		t.Errorf("limits %+v, want %+v", got, want)
	}
	l.Connections = 0
	if got := l.host(shareDescriptors(20_000, nil)).Connections; got != 9812 {
		t.Errorf("auto is %d", got)
	}
	relay, table := (&server{}).newRelay(l)
	if relay.HandshakeTimeout != l.HandshakeTimeout || relay.DeadPeer != l.DeadPeer || relay.Table != table {
		t.Errorf("relay %+v", relay)
	}
}

// TestServeKeepsToItsLimits starts a server with bounds of heads that can be met,
// and changes them while it runs.
func TestServeKeepsToItsLimits(t *testing.T) {
	t.Parallel()
	s := startServing(t, "limits: {connections: 7, head: 4KiB, headTimeout: 100ms}\n"+servedConfig)
	address := strings.TrimPrefix(s.logged(t, "msg=serving url=http://"), "localhost")
	s.logged(t, "at most 7 connections; the descriptors are enough for ")
	for want, head := range map[string]string{
		"HTTP/1.1 431 ": "GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + strings.Repeat("x", 5000) + "\r\n\r\n",
		"HTTP/1.1 408 ": "GET / HTTP/1.1\r\nHost: ",
	} {
		c, err := net.Dial("tcp", "127.0.0.1"+address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, head); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if !strings.HasPrefix(line, want) {
			t.Errorf("answered %q, %v; want %q", line, err, want)
		}
	}
	if err := os.WriteFile(s.config, []byte("limits: {connections: 8}\n"+servedConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.logged(t, `msg="some changes need a restart" keys=limits`)
	s.signal(syscall.SIGTERM)
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}
