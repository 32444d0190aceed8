package plugins

import (
	"cmp"
	"slices"
	"time"

	"edge/plugins/archive"
)

// State is what a generation of a plugin does.
type State string

// The states. They are append-only.
const (
	StateLoading     State = "loading"     // on its way through the steps
	StateCanary      State = "canary"      // serves a share of the requests
	StateServing     State = "serving"     // serves
	StateWarm        State = "warm"        // served before, and can come back at once
	StateDraining    State = "draining"    // ends with its last call
	StateRefused     State = "refused"     // never served; Why says at which step it failed
	StateQuarantined State = "quarantined" // was not tried again, because it had been given up
	StateRolledBack  State = "rolled-back" // served and was given up
)

// PluginStatus is a plugin with its generations.
type PluginStatus struct {
	Name   string `json:"name"`
	Source string `json:"source,omitempty"` // the module's file
	// Digest and Generation are of what serves; empty and 0 if nothing does.
	Digest     string `json:"digest,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
	// Pinned is the digest that an upload or a rollback put in front of the source's
	// content, until that changes.
	Pinned string `json:"pinned,omitempty"`
	// Generations has what serves or may serve again, what is on its way, and the
	// last few that failed, newest first.
	Generations []GenerationStatus `json:"generations"`
	Quarantine  []Quarantined      `json:"quarantine,omitempty"`
}

// GenerationStatus is one version of a plugin.
type GenerationStatus struct {
	Number uint64 `json:"number"`
	Digest string `json:"digest"` // SHA-256, hexadecimal; empty if there was nothing to read
	Origin string `json:"origin,omitempty"`
	Size   int    `json:"size"` // bytes
	State  State  `json:"state"`
	// Step is where it is, or where it failed.
	Step     Step      `json:"step,omitempty"`
	LoadedAt time.Time `json:"loadedAt"` // when its load began
	Why      string    `json:"why,omitempty"`
	// Percent is a canary's share of the requests.
	Percent   int `json:"percent,omitempty"`
	Instances int `json:"instances"`
	Counters
}

// Counters is what a generation did so far.
type Counters struct {
	Requests uint64 `json:"requests"` // that it was given
	Failures uint64 `json:"failures"` // of those: traps, negative answers, instances that did not start
	Timeouts uint64 `json:"timeouts"` // of those: missed deadlines
	Fuel     uint64 `json:"fuel"`     // units of the meter, about one instruction each
}

// Quarantined is a module that was given up: it is not tried again until
// somebody asks for it.
type Quarantined = archive.Quarantined

// maxPast bounds the versions that failed and are still told of.
const maxPast = 8

// Status tells of every plugin, in the order of their names.
func (r *Registry) Status() []PluginStatus {
	all := []PluginStatus{}
	for _, p := range r.all() {
		all = append(all, r.status(p))
	}
	return all
}

func (r *Registry) status(p *Plugin) PluginStatus {
	s := PluginStatus{Name: p.name, Quarantine: p.archive.Quarantine()}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Source = p.from
	s.Pinned, _ = p.archive.Front(p.content)
	live := []*generation{p.building, p.current.Load(), p.previous}
	if live[1] != nil {
		s.Digest, s.Generation = live[1].digest, live[1].number
	}
	if c := p.canary.Load(); c != nil {
		live = append(live, c.gen)
	}
	for g := range r.draining {
		if g.spec.Name == p.name {
			live = append(live, g)
		}
	}
	s.Generations = slices.Clone(p.past)
	for _, g := range live {
		if g != nil {
			s.Generations = append(s.Generations, g.status())
		}
	}
	slices.SortFunc(s.Generations, func(a, b GenerationStatus) int { return cmp.Compare(b.Number, a.Number) })
	return s
}

// status tells of one generation. Registry.mu is held.
func (g *generation) status() GenerationStatus {
	s := GenerationStatus{
		Number: g.number, Digest: g.digest, Origin: g.origin, Size: g.size, State: g.state, Step: g.step,
		LoadedAt: g.loaded.UTC(), Why: g.why, Counters: g.counts.read(),
	}
	if g.state == StateCanary {
		s.Percent = g.spec.Canary.Percent
	}
	if g.pool != nil && g.state != StateLoading {
		s.Instances = g.pool.size()
	}
	return s
}

// remember keeps what is to be told of a version that failed. Registry.mu is held.
func (p *Plugin) remember(s GenerationStatus) {
	s.Instances = 0
	p.past = append(p.past, s)
	p.past = slices.Clone(p.past[max(0, len(p.past)-maxPast):])
}
