package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// maxHistory bounds the entries of a plugin's history.
	maxHistory = 200
	// maxWhy bounds a reason, in bytes.
	maxWhy = 1 << 10
)

// Entry is one line of a plugin's history. What its words mean is for the caller
// to say.
type Entry struct {
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"` // what happened
	Generation uint64    `json:"generation"`
	Digest     string    `json:"digest,omitempty"`
	Origin     string    `json:"origin,omitempty"`
	Step       string    `json:"step,omitempty"` // where it failed
	Why        string    `json:"why,omitempty"`
}

// Add puts an entry at the history's end, with the present time. Of Why it keeps
// the first KiB.
func (a *Archive) Add(entry Entry) {
	entry.Time, entry.Why = now(), cut(entry.Why, maxWhy)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.history = append(a.history, entry)
	a.unsaved++
	if len(a.history) > 2*maxHistory {
		a.history = lastEntries(a.history)
		a.unsaved = min(a.unsaved, len(a.history))
	}
}

// Entries returns the history, oldest first: the last 200 entries, those of earlier
// processes too.
func (a *Archive) Entries() []Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return lastEntries(a.history)
}

// lastEntries is as much of a history as is kept.
func lastEntries(entries []Entry) []Entry {
	return slices.Clone(entries[max(0, len(entries)-maxHistory):])
}

// writeHistory puts entries at the end of the file, or in place of what is in it.
// a.writing is held.
func (a *Archive) writeHistory(entries []Entry, anew bool) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text) // one line for each
	for _, entry := range entries {
		if err := encoder.Encode(entry); err != nil {
			return err
		}
	}
	path := filepath.Join(a.dir, "history.jsonl")
	a.mu.Lock()
	if a.lines += len(entries); anew {
		a.lines = len(entries)
	}
	a.mu.Unlock()
	if anew {
		return replaceFile(path, text.Bytes())
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	return errors.Join(err, f.Close())
}

// cut is text of at most most bytes, whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// now is the time as files and answers show it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
