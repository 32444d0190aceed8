package plugins

import (
	"slices"
	"time"
)

// isolate puts a digest into quarantine.
func (a *archive) isolate(digest, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = true
	a.quarantine = slices.DeleteFunc(a.quarantine, func(q Quarantined) bool { return q.Digest == digest })
	a.quarantine = append(a.quarantine, Quarantined{Digest: digest, Since: now(), Why: cut(why, maxWhy)})
	a.quarantine = slices.Clone(a.quarantine[max(0, len(a.quarantine)-maxQuarantined):])
}

// readmit takes a digest out of quarantine; it is false if it was not in it.
func (a *archive) readmit(digest string) bool {
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

// isolated returns why and since when a digest is in quarantine.
func (a *archive) isolated(digest string) (Quarantined, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.quarantine {
		if q.Digest == digest {
			return q, true
		}
	}
	return Quarantined{}, false
}

// inQuarantine lists the quarantine, oldest first.
func (a *archive) inQuarantine() []Quarantined {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.quarantine)
}

// now is the time as files and answers show it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
