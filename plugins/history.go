package plugins

import "time"

// HistoryEntry is one line of a plugin's history.
type HistoryEntry struct {
	Time       time.Time `json:"time"`
	Kind       EventKind `json:"kind"`
	Generation uint64    `json:"generation"`
	Digest     string    `json:"digest,omitempty"`
	Origin     string    `json:"origin,omitempty"`
	Step       Step      `json:"step,omitempty"` // where it failed
	Why        string    `json:"why,omitempty"`
}

// History returns what became of a plugin's modules, oldest first, at most 200
// entries; those of earlier processes too if Config.StateDir is set.
func (r *Registry) History(name string) []HistoryEntry {
	p := r.Plugin(name)
	if p == nil {
		return nil
	}
	var history []HistoryEntry
	for _, e := range p.archive.Entries() {
		history = append(history, HistoryEntry{
			Time: e.Time, Kind: EventKind(e.Kind), Generation: e.Generation,
			Digest: e.Digest, Origin: e.Origin, Step: Step(e.Step), Why: e.Why,
		})
	}
	return history
}
