package plugins

import (
	"math"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// TestBudget counts what is left of computing time, deadline and fuel.
func TestBudget(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		limit    uint64 // of the fuel
		compute  time.Duration
		fuel     uint64
		working  bool // the guest is at work for the request, since a second
		deadline time.Duration
		want     time.Duration
	}{
		"nothing spent":            {want: 5 * time.Second},
		"spent before":             {compute: 2 * time.Second, want: 3 * time.Second},
		"at work":                  {compute: 2 * time.Second, working: true, deadline: time.Minute, want: 2 * time.Second},
		"at work for another":      {compute: 2 * time.Second, deadline: time.Second, want: 3 * time.Second},
		"the deadline is nearer":   {working: true, deadline: 300 * time.Millisecond, want: 300 * time.Millisecond},
		"spent more than it had":   {compute: 6 * time.Second, want: -time.Second},
		"fuel lasts longer":        {limit: 1 << 40, compute: time.Second, fuel: 1 << 21, want: 4 * time.Second},
		"fuel is nearly used up":   {limit: 10 << 20, compute: time.Second, fuel: 8 << 20, want: 250 * time.Millisecond},
		"fuel is used up":          {limit: 10 << 20, compute: time.Second, fuel: 11 << 20, want: 0},
		"too little fuel to judge": {limit: 100 << 20, compute: time.Second, fuel: 1000, want: 4 * time.Second},
		"little fuel in all":       {limit: 800, compute: time.Second, fuel: 400, want: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := &instance{gen: &generation{spec: Spec{Compute: 5 * time.Second, Fuel: tt.limit}}}
			x := &exchange{handle: 1, compute: tt.compute, fuel: tt.fuel}
			if tt.working {
				in.stint = stint{x: x, since: now.Add(-time.Second), deadline: now.Add(tt.deadline)}
			}
			if got := in.left(x, now); (got - tt.want).Abs() > time.Microsecond {
				t.Errorf("left are %v, want %v", got, tt.want)
			}
		})
	}
	for d, want := range map[time.Duration]uint32{-time.Second: 0, 1500 * time.Nanosecond: 1, time.Second: 1e6, 2 * time.Hour: math.MaxUint32} {
		if got := microseconds(d); got != want {
			t.Errorf("%v is %d, want %d", d, got, want)
		}
	}
}

// TestBudgetOfRequests asks what is left to a request, to none, and in edge_init.
func TestBudgetOfRequests(t *testing.T) {
	t.Parallel()
	g := newAsm()
	b := newBench(t, Config{})
	a := b.runWith(t, g, newRequest(), func(s *Spec) { s.Compute, s.Deadline = 100*time.Second, 1000*time.Second },
		g.record("budget", req()), g.record("budget", 0), g.record("budget", 77))
	if e, left := a.result(0); e != abi.OK || left == 0 || left > 100e6 {
		t.Errorf("the request has %d us left (%s)", left, e)
	}
	a.want(1, "of no request", abi.OK, 100e6)
	a.want(2, "of another", abi.Closed, 0)

	g = newAsm()
	at := g.buffer(8)
	g.Func("edge1", "", "", "")
	g.Func("edge_init", "", "i", "", wasmasm.I32(int32(at.ptr)), g.call("budget", 0), wasmasm.Store64(), wasmasm.I32(0))
	g.Func("edge_request", "i", "i", "", g.drop("respond", req(), 200, "", at), wasmasm.I32(0))
	body := bodyOf(t, decide(t, b.load(t, g.Encode()), newRequest()))
	if left := uint32(body[0]) | uint32(body[1])<<8 | uint32(body[2])<<16 | uint32(body[3])<<24; left == 0 || time.Duration(left)*time.Microsecond > b.initDeadline {
		t.Errorf("edge_init has %d us left", left)
	}
}
