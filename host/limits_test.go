package host

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"edge/abi"
)

func (l *limiter) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all == 0 && len(l.bindings)+len(l.sandboxes)+len(l.exposures)+len(l.clients) == 0
}

func targetOf(binding, id string, port int, exposure bool) *target {
	return &target{ref: abi.SandboxRef{Binding: binding, ID: id}, port: port, exposure: exposure}
}

// TestLimiterNamesTheLimit fills each limit up to it: one more is refused by that
// name, somebody else is not, and after a give there is room again.
func TestLimiterNamesTheLimit(t *testing.T) {
	t.Parallel()
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	a := targetOf("B", "a", 8080, true)
	own := *a
	own.maxConnections = 2
	for _, tt := range []struct {
		name, breach string
		limits       Limits
		target       *target
		other        *target // one that the limit does not hold for
		client       netip.Addr
	}{
		{"connections", "limit-connections", Limits{Connections: 2}, a, nil, two},
		{"connectionsPerBinding", "limit-binding", Limits{PerBinding: 2}, a, targetOf("C", "a", 8080, true), one},
		{"connectionsPerSandbox", "limit-sandbox", Limits{PerSandbox: 2}, a, targetOf("B", "b", 8080, true), one},
		{"connectionsPerExposure", "limit-exposure", Limits{PerExposure: 2}, a, targetOf("B", "a", 8080, false), one},
		{"maxConnections", "limit-exposure", Limits{PerExposure: 3}, &own, targetOf("B", "a", 8081, true), one},
		{"connectionsPerClient", "limit-client", Limits{PerClient: 2}, a, a, two},
		{"connectionsPerClient", "limit-client", Limits{PerClient: 2, Connections: 2}, a, nil, two},
	} {
		var l limiter
		var slots [2]slot
		for i := range slots {
			var over *overLimit
			if slots[i], over = l.take(&tt.limits, tt.target, one); over != nil {
				t.Fatalf("%s: number %d is refused: %v", tt.name, i+1, over)
			}
		}
		if _, over := l.take(&tt.limits, tt.target, one); over == nil || over.name != tt.name || over.breach != tt.breach || over.limit != 2 {
			t.Errorf("%s: the third is %+v", tt.name, over)
		}
		if tt.other != nil {
			s, over := l.take(&tt.limits, tt.other, tt.client)
			if over != nil {
				t.Errorf("%s: somebody else is refused: %+v", tt.name, over)
			}
			l.give(&s)
		}
		l.give(&slots[0])
		l.give(&slots[0]) // once is enough
		s, over := l.take(&tt.limits, tt.target, one)
		if over != nil {
			t.Errorf("%s: refused after one has gone: %+v", tt.name, over)
		}
		l.give(&s)
		l.give(&slots[1])
		if !l.empty() {
			t.Errorf("%s: counts are left: %+v", tt.name, &l)
		}
	}
}

// TestLimiterIsExact has many take and give at once; the counts never pass the
// limits, and nothing is left of them.
func TestLimiterIsExact(t *testing.T) {
	t.Parallel()
	var l limiter
	lim := Limits{Connections: 7, PerBinding: 6, PerSandbox: 5, PerExposure: 4, PerClient: 3}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			client := netip.AddrFrom4([4]byte{192, 0, 2, byte(w % 3)})
			for i := range 2000 {
				s, over := l.take(&lim, targetOf("B", fmt.Sprint("s", (w+i)%2), 8080, true), client)
				if over == nil {
					l.check(t, &lim)
					l.give(&s)
				}
			}
		})
	}
	wg.Wait()
	if !l.empty() {
		t.Errorf("counts are left: %+v", &l)
	}
}

func (l *limiter) check(t *testing.T, lim *Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all < 1 || l.all > lim.Connections {
		t.Errorf("%d in all", l.all)
	}
	within(t, "binding", l.bindings, lim.PerBinding)
	within(t, "sandbox", l.sandboxes, lim.PerSandbox)
	within(t, "exposure", l.exposures, lim.PerExposure)
	within(t, "client", l.clients, lim.PerClient)
}

func within[K comparable](t *testing.T, what string, counts tallies[K], limit int) {
	for key, c := range counts {
		if c.n < 1 || c.n > limit {
			t.Errorf("%s %v has %d of %d", what, key, c.n, limit)
		}
	}
}

func TestCountedAs(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1:5": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:5": "2001:db8:1:2::", "[fe80::1%eth0]:5": "fe80::",
	} {
		client := addressPort(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))).Addr()
		if got := countedAs(client).String(); got != want {
			t.Errorf("%s is counted as %s, want %s", addr, got, want)
		}
	}
	if countedAs(addressPort(&net.UnixAddr{Name: "x"}).Addr()).IsValid() {
		t.Error("a Unix socket has an address")
	}
}

// BenchmarkLimiter takes and gives back with 10,000 open, with no limit but the
// exposures' (as by default, and through an exposure) and with all of them.
func BenchmarkLimiter(b *testing.B) {
	const much = 1 << 30
	b.Run("default", func(b *testing.B) { benchLimiter(b, Limits{Connections: much}) })
	b.Run("all", func(b *testing.B) {
		benchLimiter(b, Limits{Connections: much, PerBinding: much, PerSandbox: much, PerExposure: much, PerClient: much})
	})
}

func benchLimiter(b *testing.B, lim Limits) {
	var l limiter
	targets := make([]*target, 1000)
	for i := range targets {
		targets[i] = targetOf("Sandbox", fmt.Sprint("sandbox-", i), 8080, true)
	}
	client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range 10_000 {
		l.take(&lim, targets[i%len(targets)], client(i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s, over := l.take(&lim, targets[i%len(targets)], client(i))
		if over != nil {
			b.Fatal(over)
		}
		l.give(&s)
	}
}
