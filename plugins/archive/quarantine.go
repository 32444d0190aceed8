package archive

import (
	"slices"
	"time"
)

// maxQuarantined bounds the digests in a plugin's quarantine; the oldest goes.
const maxQuarantined = 100

// Quarantined is a module that was given up: it is not tried again until
// somebody asks for it.
type Quarantined struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
}

// Isolate puts a digest into quarantine, from now on. Of why it keeps the first
// KiB.
func (a *Archive) Isolate(digest, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = true
	a.quarantine = slices.DeleteFunc(a.quarantine, func(q Quarantined) bool { return q.Digest == digest })
	a.quarantine = append(a.quarantine, Quarantined{Digest: digest, Since: now(), Why: cut(why, maxWhy)})
	a.quarantine = slices.Clone(a.quarantine[max(0, len(a.quarantine)-maxQuarantined):])
}

// Readmit takes a digest out of quarantine; it is false if it was not in it.
func (a *Archive) Readmit(digest string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(a.quarantine)
	a.quarantine = slices.DeleteFunc(a.quarantine, func(q Quarantined) bool { return q.Digest == digest })
	if len(a.quarantine) == before {
		return false
	}
	a.changed = true
	return true
}

// Isolated returns why and since when a digest is in quarantine; ok is false if it
// is not.
func (a *Archive) Isolated(digest string) (q Quarantined, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.quarantine {
		if q.Digest == digest {
			return q, true
		}
	}
	return Quarantined{}, false
}

// Quarantine lists what is in quarantine, oldest first; the last 100 modules that
// were put into it.
func (a *Archive) Quarantine() []Quarantined {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.quarantine)
}
