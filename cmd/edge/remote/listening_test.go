package remote

import (
	"testing"

	"edge/abi"
)

func TestStatusText(t *testing.T) {
	t.Parallel()
	code := 3
	for want, p := range map[string]abi.ExposedPort{
		"active":             {Status: "active"},
		"inactive":           {Status: "inactive"},
		"web: exit code 3":   {Status: "inactive", Ended: &abi.ServerEnd{ProcessID: "web", ExitCode: &code}},
		"web: ended by KILL": {Status: "inactive", Ended: &abi.ServerEnd{ProcessID: "web", ExitCode: &code, Signal: "KILL"}},
		"web: out of memory": {Status: "inactive", Ended: &abi.ServerEnd{ProcessID: "web", Signal: "KILL", OOMKilled: true}},
		"web: ended":         {Status: "inactive", Ended: &abi.ServerEnd{ProcessID: "web"}},
	} {
		if got := statusText(p); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}

func TestAccessText(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]abi.ExposedPort{
		"token":            {Access: abi.AccessToken},
		"token in request": {Access: abi.AccessToken, Token: "secret"},
		"public":           {Access: abi.AccessPublic},
		"plugin":           {Access: abi.AccessPlugin},
	} {
		if got := accessText(p); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}

func TestPortsText(t *testing.T) {
	t.Parallel()
	var ports []abi.ListeningPort
	for port := 1; port < 12; port++ {
		ports = append(ports, abi.ListeningPort{Port: port, ProcessID: "p"})
	}
	if got, want := portsOf("p", ports), "1, 2, 3, 4, 5, 6, 7, 8, and 3 more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := portsOf("q", ports); got != "" {
		t.Errorf("ports of another: %q", got)
	}
}
