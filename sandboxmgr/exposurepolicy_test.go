package sandboxmgr

import (
	"errors"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// TestExposurePolicyIsKept exposes with a policy and a bound, restarts the edge,
// and reads a record of a version that knew neither.
func TestExposurePolicyIsKept(t *testing.T) {
	t.Parallel()
	w, disk := newWorld(t), newMemory()
	e := newEdge(t, w, disk, nil)
	want := abi.Policy{
		MessagesPerSecond: 5, PingInterval: abi.Duration(time.Second), AllowOrigins: []string{"*.example.com"}, Protocols: []string{"chat"},
	}
	expose(t, e.sandbox("s"), abi.ExposePortRequest{Port: 8080, Policy: want, MaxConnections: 3})
	expose(t, e.sandbox("s"), abi.ExposePortRequest{Port: 8080, Name: "web"})
	if x, _ := e.exposures.ofPort(e.sandbox("s").key, 8080); !x.Policy.Equal(want) || x.MaxConnections != 3 || x.Name != "web" {
		t.Errorf("exposing again without a policy made it %+v", x)
	}
	old := Change{Key: exposureKey(e.sandbox("s").key, 9090), Value: []byte(`{"access":"public","createdAt":"2026-01-02T03:04:05Z","policy":{"maxBytes":7}}`)}
	if _, err := e.store.Commit(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	commits := disk.commits
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = newEdge(t, w, disk, nil)
	if x, ok := e.exposures.ofPort(e.sandbox("s").key, 8080); !ok || !x.Policy.Equal(want) || x.MaxConnections != 3 {
		t.Errorf("after a restart %+v", x)
	}
	if x, ok := e.exposures.ofPort(e.sandbox("s").key, 9090); !ok || !x.Policy.Equal(abi.Policy{MaxBytes: 7}) || x.MaxConnections != 0 {
		t.Errorf("an earlier record is %+v", x)
	}
	expose(t, e.sandbox("s"), abi.ExposePortRequest{Port: 8080, Policy: want, MaxConnections: 3})
	if disk.commits != commits {
		t.Error("exposing again with an equal policy wrote to the disk")
	}
}

func TestExposeChecksItsPolicy(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	for name, tt := range map[string]struct {
		req  abi.ExposePortRequest
		want string
	}{
		"negative limit":    {abi.ExposePortRequest{Policy: abi.Policy{MaxBytes: -1}}, "maxBytes: -1"},
		"bad origin":        {abi.ExposePortRequest{Policy: abi.Policy{AllowOrigins: []string{"https://a/"}}}, `allowOrigins: "https://a/"`},
		"no origin":         {abi.ExposePortRequest{Policy: abi.Policy{AllowOrigins: []string{}}}, "allowOrigins is empty"},
		"bad subprotocol":   {abi.ExposePortRequest{Policy: abi.Policy{Protocols: []string{"a b"}}}, `protocols: "a b"`},
		"negative bound":    {abi.ExposePortRequest{MaxConnections: -1}, "maxConnections is -1"},
		"negative interval": {abi.ExposePortRequest{Policy: abi.Policy{PingInterval: -1}}, "pingInterval: -1ns"},
	} {
		tt.req.Port = 8080
		_, err := e.sandbox("s").ExposePort(t.Context(), &tt.req)
		if !errors.Is(err, abi.CodeInvalidRequest.Err()) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
