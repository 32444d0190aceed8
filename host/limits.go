package host

import (
	"net/netip"
	"sync"

	"edge/abi"
)

// Limits bound what is carried to sandboxes at a time: WebSockets, and HTTP
// exchanges while they last. A request beyond one is answered 429
// TOO_MANY_REQUESTS, before its sandbox is woken or anything is dialled. 0 is no
// bound.
type Limits struct {
	// Connections bounds all together; each takes two descriptors.
	Connections int
	// PerBinding bounds those to all sandboxes of a binding, PerSandbox those to
	// one, PerExposure those through one exposure, which may have a lower bound of
	// its own.
	PerBinding, PerSandbox, PerExposure int
	// PerClient bounds those of one address, of IPv6 one /64, which is what one
	// customer has (RFC 6177). Behind a proxy that is not trusted all clients have its
	// address.
	PerClient int
}

// Names of the limits, as the configuration has them, and of the breaches.
const (
	limitConnections = "connections"
	limitBinding     = "connectionsPerBinding"
	limitSandbox     = "connectionsPerSandbox"
	limitExposure    = "connectionsPerExposure"
	limitClient      = "connectionsPerClient"
	ownLimit         = "maxConnections" // an exposure's

	breachConnections = "limit-connections"
	breachBinding     = "limit-binding"
	breachSandbox     = "limit-sandbox"
	breachExposure    = "limit-exposure"
	breachClient      = "limit-client"
	breachDescriptors = "limit-descriptors"
)

// limiter counts what is carried. An exchange takes a slot before anything is
// dialled and gives it back at its end, both exactly once; in between the counts
// of all that it belongs to hold it. One mutex guards a handful of map look-ups:
// take and give together are about 0.3 us (BenchmarkLimiter), however much is
// open.
type limiter struct {
	mu        sync.Mutex
	all       int
	bindings  tallies[string]
	sandboxes tallies[sandboxKey]
	exposures tallies[exposureKey]
	clients   tallies[netip.Addr]
}

type sandboxKey struct{ binding, id string }

type exposureKey struct {
	sandboxKey
	port int
}

// tallies are counts by key; those that are 0 are not kept.
type tallies[K comparable] map[K]*tally[K]

type tally[K comparable] struct {
	key K
	n   int
}

// of returns the count of a key, made if there is none.
func (t *tallies[K]) of(key K) *tally[K] {
	if *t == nil {
		*t = tallies[K]{}
	}
	c := (*t)[key]
	if c == nil {
		c = &tally[K]{key: key}
		(*t)[key] = c
	}
	return c
}

// add changes a count, which may be nil.
func (t tallies[K]) add(c *tally[K], n int) {
	if c == nil {
		return
	}
	if c.n += n; c.n == 0 {
		delete(t, c.key)
	}
}

func (c *tally[K]) full(limit int) bool { return c != nil && limit > 0 && c.n >= limit }

// slot is an exchange's place in the counts; the zero value has none.
type slot struct {
	taken    bool
	binding  *tally[string]
	sandbox  *tally[sandboxKey]
	exposure *tally[exposureKey]
	client   *tally[netip.Addr]
}

// overLimit is which limit an exchange would pass.
type overLimit struct {
	name, breach, whose string
	limit               int
}

// take counts an exchange in, unless it would pass a limit. An exposure is counted
// always, because its bound may come later; what has no limit otherwise is not.
func (l *limiter) take(lim *Limits, t *target, client netip.Addr) (slot, *overLimit) {
	key := sandboxKey{t.ref.Binding, t.ref.ID}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := slot{taken: true}
	if lim.PerBinding > 0 {
		s.binding = l.bindings.of(key.binding)
	}
	if lim.PerSandbox > 0 {
		s.sandbox = l.sandboxes.of(key)
	}
	if t.exposure {
		s.exposure = l.exposures.of(exposureKey{key, t.port})
	}
	if lim.PerClient > 0 && client.IsValid() {
		s.client = l.clients.of(client)
	}
	if over := l.over(lim, &s, t.maxConnections); over != nil {
		l.count(&s, 0)
		return slot{}, over
	}
	l.all++
	l.count(&s, 1)
	return s, nil
}

// over returns the limit that one more would pass, the narrowest first.
func (l *limiter) over(lim *Limits, s *slot, own int) *overLimit {
	switch {
	case s.client.full(lim.PerClient):
		return &overLimit{limitClient, breachClient, "from this address", lim.PerClient}
	case s.exposure.full(own):
		return &overLimit{ownLimit, breachExposure, "through this preview", own}
	case s.exposure.full(lim.PerExposure):
		return &overLimit{limitExposure, breachExposure, "through this preview", lim.PerExposure}
	case s.sandbox.full(lim.PerSandbox):
		return &overLimit{limitSandbox, breachSandbox, "to this sandbox", lim.PerSandbox}
	case s.binding.full(lim.PerBinding):
		return &overLimit{limitBinding, breachBinding, "to sandboxes of this kind", lim.PerBinding}
	case lim.Connections > 0 && l.all >= lim.Connections:
		return &overLimit{limitConnections, breachConnections, "through this edge", lim.Connections}
	}
	return nil
}

// count changes the counts of a slot, but for that of all; mu is held.
func (l *limiter) count(s *slot, n int) {
	l.bindings.add(s.binding, n)
	l.sandboxes.add(s.sandbox, n)
	l.exposures.add(s.exposure, n)
	l.clients.add(s.client, n)
}

// give takes a slot back; the zero slot, or one given back before, is nothing.
func (l *limiter) give(s *slot) {
	if !s.taken {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	l.count(s, -1)
	*s = slot{}
}

// retryLater is what a refusal of what may pass soon says in Retry-After.
const retryLater = 1000 // ms

// err is how the client is told. It names the limit and nobody else.
func (o *overLimit) err() *abi.Error {
	e := abi.Errorf(abi.CodeTooManyRequests, "too many connections %s: the limit %s is %d", o.whose, o.name, o.limit).
		WithSuggestion("close one that is not needed, or try again later")
	e.RetryAfterMs = retryLater
	return e
}

// countedAs is the address that a client's connections are counted by; not valid
// for one that has none, as behind a Unix socket.
func countedAs(a netip.Addr) netip.Addr {
	a = a.WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // 64 bits are never too many
		return p.Addr()
	}
	return a
}
