package plugins

import "time"

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
type Quarantined struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
}

// Status tells of every plugin, in the order of their names.
func (r *Registry) Status() []PluginStatus {
	all := []PluginStatus{}
	for _, p := range r.all() {
		s := PluginStatus{Name: p.name, Generations: []GenerationStatus{}}
		if g := p.current.Load(); g != nil {
			s.Digest, s.Generation, s.Source = g.digest, g.number, g.spec.Source
			s.Generations = append(s.Generations, GenerationStatus{
				Number: g.number, Digest: g.digest, Size: g.size, State: StateServing, LoadedAt: g.loaded, Instances: g.pool.size(),
			})
		}
		all = append(all, s)
	}
	return all
}
