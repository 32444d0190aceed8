package plugins

import (
	"errors"
	"time"

	"edge/plugins/archive"
)

// EventKind is what happened to a plugin.
type EventKind string

// What happens to plugins. Kinds are append-only.
const (
	EventLoaded      EventKind = "loaded"      // a plugin's first generation serves
	EventReloaded    EventKind = "reloaded"    // a newer generation serves; the old one stays warm, or drains
	EventRefused     EventKind = "refused"     // a module was not taken; Step and Err say why
	EventDrained     EventKind = "drained"     // an old generation's last call ended and it is closed
	EventCanary      EventKind = "canary"      // a newer generation serves a share of the requests
	EventPromoted    EventKind = "promoted"    // a canary serves everything; the old one stays warm
	EventRolledBack  EventKind = "rolled-back" // a generation was given up for the one before; Err says why
	EventQuarantined EventKind = "quarantined" // its digest is not tried again
	EventReadmitted  EventKind = "readmitted"  // somebody asked for a digest in quarantine, and it serves
)

// errAsked is why a version is given up that somebody wanted to have given up.
var errAsked = errors.New("an earlier version was asked for")

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
	// Origin is where the module is from.
	Origin string
	// Duration is how long the load took, from reading the file to the swap; how long
	// a canary was one; and how long it is ago that a version was loaded which is
	// rolled back. For EventDrained, how long the old generation went on.
	Duration time.Duration
	// Step is where it failed, if it did.
	Step Step
	// Err is why a module was refused or given up.
	Err error
}

// event is what happened to the generation. Registry.mu is held, or the
// generation is the caller's alone.
func (g *generation) event(kind EventKind, took time.Duration, err error) Event {
	e := Event{Kind: kind, Plugin: g.spec.Name, Digest: g.digest, Generation: g.number, Origin: g.origin, Duration: took, Err: err}
	if err != nil {
		e.Step = g.step
	}
	return e
}

// tell puts an event into the log and the plugin's history, and hands it to who
// observes. r.mu is not held.
func (r *Registry) tell(e Event) {
	attrs := []any{"plugin", e.Plugin, "generation", e.Generation, "digest", short(e.Digest)}
	if e.Origin != "" {
		attrs = append(attrs, "origin", e.Origin)
	}
	if e.Duration > 0 {
		attrs = append(attrs, "took", e.Duration)
	}
	if e.Err != nil {
		attrs = append(attrs, "step", e.Step, "err", e.Err)
	}
	switch e.Kind {
	case EventDrained:
		r.log.Debug("plugin drained", attrs...)
	case EventRefused:
		// refuse has logged it, with the trap.
	case EventRolledBack:
		r.log.Error("plugin rolled back to the version before", attrs...)
	case EventQuarantined:
		r.log.Warn("plugin module quarantined: it is not tried again until somebody asks for it", attrs...)
	default:
		r.log.Info("plugin "+string(e.Kind), attrs...)
	}
	if p := r.Plugin(e.Plugin); p != nil && e.Kind != EventDrained {
		entry := archive.Entry{Kind: string(e.Kind), Generation: e.Generation, Digest: e.Digest, Origin: e.Origin, Step: string(e.Step)}
		if e.Err != nil {
			entry.Why = e.Err.Error()
		}
		p.archive.Add(entry)
	}
	if r.config.Observe != nil {
		r.config.Observe(e)
	}
}
