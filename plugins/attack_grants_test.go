package plugins

import (
	"errors"
	"testing"

	"edge/abi"
)

// TestHostsThatLookGranted asks for hosts that some reader takes for a granted one,
// or for this machine.
func TestHostsThatLookGranted(t *testing.T) {
	t.Parallel()
	g := &Grants{Fetch: []string{"api.example.com", "*.team.example.com"}}
	for _, host := range []string{
		"127.0.0.1", "::1", "[::1]", "fe80::1%eth0", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "localhost.",
		"api.example.com..", ".api.example.com", "api.example.com.evil.test", "evilapi.example.com", "api.example.com%00.evil.test",
		"ⓐpi.example.com", "api。example。com", "xn--pi-6mc.example.com", "apı.example.com", "ann@api.example.com",
		"team.example.com", ".team.example.com", "evilteam.example.com", "a..team.example.com", "*.team.example.com", "",
	} {
		if err := g.FetchHost("https", host, 443); !errors.Is(err, abi.CodeDenied.Err()) {
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, host := range []string{"api.example.com", "API.Example.Com", "api.example.com.", "a.team.example.com", "a.b.team.example.com"} {
		if err := g.FetchHost("https", host, 443); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, tt := range []struct {
		scheme string
		port   int
	}{{"http", 443}, {"http", 80}, {"https", 0}, {"https", 8443}, {"ftp", 443}} {
		if g.FetchHost(tt.scheme, "api.example.com", tt.port) == nil {
			t.Errorf("%s on port %d is granted", tt.scheme, tt.port)
		}
	}
}

// TestCallsOfTwoReadings names a sandbox twice, in other letters and in other
// characters: what is granted is what is carried out, and all else is refused.
func TestCallsOfTwoReadings(t *testing.T) {
	t.Parallel()
	g := &Grants{Sandboxes: map[string][]string{"Sandbox": {"user-*"}}, Operations: []string{"exec", "exposePort"}, Ports: []PortRange{{8080, 8080}}}
	for _, tt := range []struct{ name, op, body string }{
		{"the last of two sandboxes", "exec", `{"sandbox":{"binding":"Sandbox","id":"user-1"},"sandbox":{"binding":"Sandbox","id":"root"},"command":"x"}`},
		{"a sandbox in other letters too", "exec", `{"sandbox":{"binding":"Sandbox","id":"user-1"},"SANDBOX":{"binding":"Sandbox","id":"root"},"command":"x"}`},
		{"a sandbox in other letters alone", "exec", `{"Sandbox":{"binding":"Sandbox","id":"user-1"},"command":"x"}`},
		{"the last of two ids", "exec", `{"sandbox":{"binding":"Sandbox","id":"user-1","ID":"root"},"command":"x"}`},
		{"a folded id", "exec", `{"sandbox":{"binding":"Sandbox","id":"user-1","\u0131d":"root"},"command":"x"}`},
		{"another binding", "exec", `{"sandbox":{"binding":"sandbox","id":"user-1"},"command":"x"}`},
		{"a wide character", "exec", `{"sandbox":{"binding":"Sandbox","id":"user-１"},"command":"x"}`},
		{"a letter that folds", "exec", `{"sandbox":{"binding":"Sandbox","id":"uſer-1"},"command":"x"}`},
		{"the last of two ports", "exposePort", `{"sandbox":{"binding":"Sandbox","id":"user-1"},"PORT":8080,"port":22}`},
		{"port 0", "exposePort", `{"sandbox":{"binding":"Sandbox","id":"user-1"}}`},
		{"another operation in other letters", "Exec", `{"sandbox":{"binding":"Sandbox","id":"root"},"command":"x"}`},
		{"a dotted path", "exec", `{"sandbox":{"binding":"Sandbox","id":"user-1/../root"},"command":"x"}`},
	} {
		if err := g.Call(tt.op, []byte(tt.body)); err == nil {
			row := abi.Lookup(tt.op)
			if row == nil {
				continue
			}
			ref, req, split := abi.SplitCall(row, []byte(tt.body))
			t.Errorf("%s is granted: %+v %+v %v", tt.name, ref, req, split)
		}
	}
	if err := g.Call("exec", []byte(`{"sandbox":{"binding":"Sandbox","id":"USER-1"},"command":"x"}`)); err != nil {
		t.Errorf("an id in capitals, which is the same one: %v", err)
	}
}
