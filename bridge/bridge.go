// Package bridge carries bytes between a client and a port of a sandbox: it
// relays HTTP exchanges, splices WebSockets frame by frame without unmasking or
// re-framing them, and keeps the table of live connections.
//
// It knows nothing of plugins, sandboxes or decisions. Whoever calls it has a
// way to dial (Upstream) and a head to send on; what a connection belongs to is
// a set of labels (Owner) that the live table can be asked by. A bridge
// therefore outlives every reload.
package bridge
