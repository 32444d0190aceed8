package docker

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

// TestInternalNetwork: sandboxes of one edge reach each other by name, and
// neither the engine's computer nor anything beyond it. The network goes with the
// last of them, and not before.
func TestInternalNetwork(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.Network = networkInternal
	b.Spec.Labels = map[string]string{sandboxmgr.LabelOwner: "internal-test", "edge.id": "one", "edge.binding": "Sandbox"}
	m, g := b.Start(t)
	other := *b.Bench
	other.Spec.Name += "-other"
	other.Spec.Labels = map[string]string{sandboxmgr.LabelOwner: "internal-test", "edge.id": "two", "edge.binding": "Sandbox"}
	other.Spec.RunDir = runtimetest.RunDir(t)
	other.Socket = runtimetest.Listen(t, other.Spec.RunDir)
	t.Cleanup(func() {
		if err := b.rt.Remove(context.Background(), other.Spec.Name); err != nil {
			t.Error(err)
		}
	})
	second, _ := other.Start(t)

	for _, host := range []string{"two.Sandbox", other.Spec.Name} {
		if a, err := g.Call(command{Dial: net.JoinHostPort(host, "8082")}); err != nil || a.Err != "" {
			t.Errorf("dial %s: %q, %v", host, a.Err, err)
		}
	}
	if _, err := m.Dial(t.Context(), runtimetest.PortV4); err != nil {
		t.Errorf("the edge cannot dial: %v", err)
	}
	checkUnreachable(t, g)

	name := internalOf("internal-test")
	runtimetest.Stop(t, second)
	b.Remove(t, m.PID())
	if n, err := b.rt.client.NetworkInspect(t.Context(), name, network.InspectOptions{}); err != nil || !n.Internal {
		t.Errorf("the network of a stopped sandbox: %+v, %v", n, err)
	}
	other.Start(t)
	if err := b.rt.Remove(t.Context(), other.Spec.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := b.rt.client.NetworkInspect(t.Context(), name, network.InspectOptions{}); !errdefs.IsNotFound(err) {
		t.Errorf("the network is still there: %v", err)
	}
}

// checkUnreachable dials what listens on all addresses of this computer.
func checkUnreachable(t *testing.T, g *runtimetest.Guest) {
	t.Helper()
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip := a.(*net.IPNet).IP
		if ip.IsLoopback() || ip.To4() == nil {
			continue
		}
		answer, err := g.Call(command{Dial: net.JoinHostPort(ip.String(), port)})
		if err != nil {
			t.Fatal(err)
		}
		if answer.Err == "" {
			t.Errorf("a sandbox reaches this computer at %s", ip)
		}
	}
	if a, err := g.Call(command{Dial: "example.com:80"}); err != nil || !strings.Contains(a.Err, "lookup") {
		t.Errorf("a name outside: %q, %v", a.Err, err)
	}
}

// TestEgressNetwork: the sandbox has an interface that leads out.
func TestEgressNetwork(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.Network = networkEgress
	_, g := b.Start(t)
	if got := g.Do(t, command{Read: "/proc/net/dev"}); !strings.Contains(got, "eth0:") {
		t.Errorf("interfaces %s", got)
	}
	if got := g.Do(t, command{Read: "/proc/net/route"}); !strings.Contains(got, "eth0\t00000000") {
		t.Errorf("no way out: %s", got)
	}
}
