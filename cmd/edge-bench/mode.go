package main

import "time"

// Names of what is measured.
const (
	nameDirect  = "direct"
	nameEdge    = "edge"
	nameNginx   = "nginx"
	nameHAProxy = "haproxy"
	nameWorkerd = "workerd"
	nameGo      = "reverseproxy"
)

// Names of the modes.
const (
	modeLatency    = "latency"
	modeHandshake  = "handshake"
	modeIdle       = "idle"
	modeIdlePolicy = "idle-policy"
	modeHTTPSmall  = "http-small"
	modeHTTPLarge  = "http-1m"
	modeEvents     = "sse"
)

// mode is one way to load a server.
type mode struct {
	name  string
	title string
	unit  string // what an operation is
	// needs are the checks that a server must have passed.
	needs []string
	// kind says which load it is, by the fields that it takes.
	kind kind
	// conns is how many connections there are, 0 as many as the run says; inFlight
	// is how many messages of size bytes each has under way.
	conns, inFlight int
	size            int
	path            string
	// runs is how often it is run in all rounds together, at least: each run has
	// connections of its own.
	runs int
	// fresh has each server started anew for it; only are the servers that it is
	// for, all if there are none.
	fresh bool
	only  []string
}

type kind int

const (
	kindEcho kind = iota
	kindPaced
	kindHandshake
	kindIdle
	kindHTTP
	kindEvents
)

// pacedInterval is the time between two messages of the mode latency.
const pacedInterval = 200 * time.Microsecond

// Of a mode with idle bridges: before the first look at the server warmHandshakes
// WebSockets are opened and closed, as many at a time as later, and baseBridges of
// those that count are opened.
const (
	warmHandshakes = 1024
	baseBridges    = 256
)

// worstOf is how many runs the mode with messages of 1 MiB has, for their worst.
const worstOf = 10

// modes are all of them, in the order in which they are measured and told.
func modes() []mode {
	frames := []string{checkEcho, checkControl, checkClose}
	var list []mode
	for _, m := range []struct {
		name, title           string
		size, inFlight, conns int
	}{
		{"echo-64", "64 B", 64, 1, 0},
		{"echo-1k", "1 KiB", 1 << 10, 1, 0},
		{"echo-16k", "16 KiB", 16 << 10, 1, 0},
		{"echo-1m", "1 MiB", 1 << 20, 1, 4},
		{"echo-64-16", "64 B, 16 in flight", 64, 16, 0},
		{"echo-1k-16", "1 KiB, 16 in flight", 1 << 10, 16, 0},
		{"echo-16k-16", "16 KiB, 16 in flight", 16 << 10, 16, 0},
		{"echo-1m-16", "1 MiB, 16 in flight", 1 << 20, 16, 2},
	} {
		e := mode{name: m.name, title: m.title, unit: "message", needs: frames, kind: kindEcho, conns: m.conns, inFlight: m.inFlight, size: m.size, runs: 1}
		if m.size == 1<<20 {
			e.runs = worstOf
		}
		list = append(list, e)
	}
	return append(list,
		mode{name: modeLatency, title: "round trip at 5,000/s, 64 B", unit: "message", needs: frames, kind: kindPaced, size: 64, runs: 1},
		mode{name: modeHandshake, title: "WebSocket: connect, handshake, one echo, reset", unit: "handshake", needs: frames, kind: kindHandshake, size: 64, runs: 1},
		mode{name: modeHTTPSmall, title: "HTTP, 256 B", unit: "request", needs: []string{checkHead}, kind: kindHTTP, size: smallBody, path: pathSmall, runs: 1},
		mode{name: modeHTTPLarge, title: "HTTP, 1 MiB", unit: "request", needs: []string{checkHead}, kind: kindHTTP, conns: 4, size: largeBody, path: pathLarge, runs: 1},
		mode{name: modeEvents, title: "server-sent events, 2,000/s", unit: "event", needs: []string{checkEvents}, kind: kindEvents, conns: 16, runs: 1},
		mode{name: modeIdle, title: "idle bridges", unit: "bridge", needs: frames, kind: kindIdle, path: pathEcho, fresh: true, runs: 1},
		mode{name: modeIdlePolicy, title: "idle bridges with policy timers", unit: "bridge", needs: frames, kind: kindIdle, path: pathPolicy, fresh: true, runs: 1, only: []string{nameEdge}},
	)
}
