package plugins

import "time"

// EventKind is what happened to a plugin.
type EventKind string

// What happens to plugins. Kinds are append-only.
const (
	EventLoaded   EventKind = "loaded"   // a plugin's first generation serves
	EventReloaded EventKind = "reloaded" // a newer generation serves, the old one drains
	EventRefused  EventKind = "refused"  // a module was not taken; Err says why
	EventDrained  EventKind = "drained"  // an old generation's last call ended and it is closed
)

// Event is one thing that happened to a plugin, for metrics and for whoever
// watches a terminal.
type Event struct {
	Kind   EventKind
	Plugin string
	// Digest is the module's SHA-256 in hexadecimal, empty if it could not be
	// read.
	Digest string
	// Generation counts the versions of the plugin that were built, from 1; a
	// refused one has a number too.
	Generation uint64
	// Duration is how long the load took, from reading the file to the swap;
	// for EventDrained, how long the old generation went on.
	Duration time.Duration
	// Err is why a module was refused.
	Err error
}
