package e2e

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"testing"
	"time"

	"edge/abi"
)

// heldUpgrades is how many clients BenchmarkPlanHeld has wait at once. They are not
// joined in the end: this process and the edge would need twice the descriptors.
const heldUpgrades = 10_000

// BenchmarkPlanHeld has ten thousand clients ask for a WebSocket to a server that is
// not up yet, as a plan describes: what each of them costs the edge, and how many
// instances of the plugin are held meanwhile.
func BenchmarkPlanHeld(b *testing.B) {
	p := &abi.Plan{
		Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "held"}, Then: abi.PlanConnect, Port: 8080, Timeout: abi.Duration(abi.MaxPlanTimeout),
		Process: &abi.PlanProcess{ProcessID: "held", Command: "exec sleep 600"}, Ready: &abi.PlanReady{},
	}
	e := newEdge(b, settings{
		runtime: "process", plugins: map[string]string{"planned": planning(b, p)}, routes: [][2]string{{"/ws", "planned"}},
		limits: fmt.Sprintf("connections: %d", heldUpgrades),
	})
	before := e.quiet()
	conns := make([]net.Conn, 0, heldUpgrades)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	began := time.Now()
	for range heldUpgrades {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			b.Fatalf("client %d: %v", len(conns), err)
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
	}
	e.eventually("every client's request is decided", func() error {
		if n := e.sum(`edge_plugin_requests_total\{.*plugin="planned"`); n != heldUpgrades {
			return fmt.Errorf("%v of %d are", n, heldUpgrades)
		}
		return nil
	})
	took := time.Since(began)
	during := e.quiet()
	instances := e.sum(`edge_plugin_instances\{.*plugin="planned"`)
	if n := int(during.descriptors - before.descriptors); n < heldUpgrades {
		b.Errorf("%d descriptors more for %d clients: some were sent away", n, heldUpgrades)
	}
	figure(b, "plan: 10,000 upgrades wait for a cold start", fmt.Sprintf("%.1f KiB of the edge each, %v goroutines more, %v instances there, held by none of them; all there after %s",
		(during.memory-before.memory)/heldUpgrades/1024, during.goroutines-before.goroutines, instances, short(took)))
}

// sum adds up the series of the metrics whose line begins so.
func (e *edge) sum(begin string) (total float64) {
	e.t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^`+begin+`[^}]*\} (\S+)$`).FindAllSubmatch(e.ask("GET", "/metrics", 200), -1) {
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			e.t.Fatal(err)
		}
		total += v
	}
	return total
}
