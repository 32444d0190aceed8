package main

import (
	"fmt"
	"time"

	"edge/bridge"
	"edge/host"
)

// Defaults and bounds of what one request or connection may take.
const (
	defaultHead        = 16 << 10
	defaultHeadTimeout = 10 * time.Second
	defaultHandshake   = bridge.DefaultHandshakeTimeout
	defaultDeadPeer    = bridge.DefaultDeadPeer

	minHead        = 4 << 10 // each connection has a buffer of that size
	maxHead        = 1 << 20
	maxWait        = time.Hour
	minDeadPeer    = 5 * time.Second // probes of TCP go by whole seconds
	maxConnections = 10_000_000
)

// Limits are what the file says about how much is carried at a time. A number of
// 0 is no limit.
type Limits struct {
	// Connections is in all; 0 is auto, what the descriptors allow.
	Connections int
	// The others are of one binding, sandbox, exposure or client address.
	PerBinding, PerSandbox, PerExposure, PerClient int
	// Head bounds a request's head in bytes, HeadTimeout how long it may take.
	Head        int64
	HeadTimeout time.Duration
	// HandshakeTimeout bounds a WebSocket handshake with a sandbox.
	HandshakeTimeout time.Duration
	// DeadPeer is after how long a WebSocket whose peer is gone without a word is
	// cut.
	DeadPeer time.Duration
}

// defaultLimits are those of a file that says nothing.
func defaultLimits() Limits {
	return Limits{Head: defaultHead, HeadTimeout: defaultHeadTimeout, HandshakeTimeout: defaultHandshake, DeadPeer: defaultDeadPeer}
}

func (l *Limits) read(v value) {
	v.object(map[string]func(value){
		"connections":            func(v value) { set(&l.Connections)(v.countOrAuto(maxConnections)) },
		"connectionsPerBinding":  func(v value) { set(&l.PerBinding)(v.count(maxConnections)) },
		"connectionsPerSandbox":  func(v value) { set(&l.PerSandbox)(v.count(maxConnections)) },
		"connectionsPerExposure": func(v value) { set(&l.PerExposure)(v.count(maxConnections)) },
		"connectionsPerClient":   func(v value) { set(&l.PerClient)(v.count(maxConnections)) },
		"head":                   func(v value) { set(&l.Head)(v.size(minHead, maxHead)) },
		"headTimeout":            func(v value) { set(&l.HeadTimeout)(v.duration(maxWait)) },
		"handshakeTimeout":       func(v value) { set(&l.HandshakeTimeout)(v.duration(maxWait)) },
		"deadPeer":               func(v value) { set(&l.DeadPeer)(v.deadPeer()) },
	})
}

// auto is what a number says that the edge finds out.
const auto = "auto"

// countOrAuto returns a whole number from 1 to max, or 0 for the word auto.
func (v value) countOrAuto(max int64) (int, bool) {
	switch s, isString, ok := v.scalar(); {
	case ok && s == auto:
		return 0, true
	case !ok || isString || s == "0":
		v.fail("%s; want auto or a whole number from 1 to %d", v.found(), max)
		return 0, false
	}
	n, ok := v.integer(1, max)
	return int(n), ok
}

func (v value) deadPeer() (time.Duration, bool) {
	d, ok := v.duration(maxWait)
	if ok && d < minDeadPeer {
		v.fail("%s is less than %s, within which a peer that lives can be silent", d, minDeadPeer)
		return 0, false
	}
	return d, ok
}

// host is the limits as the server takes them, auto being what the budget allows.
func (l Limits) host(b descriptorBudget) host.Limits {
	h := host.Limits{
		Connections: l.Connections, PerBinding: l.PerBinding, PerSandbox: l.PerSandbox, PerExposure: l.PerExposure, PerClient: l.PerClient,
	}
	if h.Connections == 0 {
		h.Connections = b.connections()
	}
	return h
}

// describe tells how many connections there may be, and why.
func (l Limits) describe(b descriptorBudget) string {
	switch possible := b.connections(); {
	case b.limit == 0:
		return fmt.Sprintf("at most %s connections; how many descriptors there may be is not known", orUnlimited(l.Connections))
	case l.Connections == 0:
		return fmt.Sprintf("at most %d connections: %s", possible, b)
	case l.Connections > possible:
		return fmt.Sprintf("at most %d connections are asked for, and the descriptors are enough for %d: %s", l.Connections, possible, b)
	default:
		return fmt.Sprintf("at most %d connections; the descriptors are enough for %d: %s", l.Connections, possible, b)
	}
}

func orUnlimited(n int) string {
	if n == 0 {
		return "any number of"
	}
	return fmt.Sprint(n)
}
