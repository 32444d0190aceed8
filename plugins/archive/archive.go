// Package archive keeps what is remembered of one plugin over restarts: the
// history of its versions, its quarantine, what was put in front of its source, and
// its last modules with their signatures. Package plugins opens one for each of its
// plugins; what a kind, a step or a signature means is its affair, nothing here
// looks into them.
//
// What is added is held in memory, and is on the disk after the next Flush;
// modules are written at once, by Keep. What is broken or cannot be written is
// logged and done without: a state never stops an edge.
package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// maxFile bounds a file of an archive that is no module, in bytes.
const maxFile = 4 << 20

// Archive is what is remembered of one plugin. Its methods may be called by any
// goroutine; there is nothing to close. The files, below the folder that Open is
// given, in one of the plugin's name:
//
//	state.json              pin and quarantine
//	history.jsonl           a line for each entry, oldest first
//	modules/DIGEST.wasm     a module, and beside it
//	modules/DIGEST.wasm.sig its signature, if it has one
//
// Without a folder it is remembered as long as the process lives, but for the
// modules.
type Archive struct {
	dir string // empty: none
	log *slog.Logger

	mu         sync.Mutex
	history    []Entry
	unsaved    int // entries of history, the newest, that are not in the file
	lines      int // in the file
	quarantine []Quarantined
	pin        *Pin
	changed    bool // state.json is to be written

	writing sync.Mutex // one Flush or Keep at a time
}

// Pin is a module that was put in front of a source's content: by an upload, or
// by a rollback.
type Pin struct {
	Digest string `json:"digest"`
	// Over is the digest of the source's content then; other content counts again.
	// Empty for a plugin without a file.
	Over string `json:"over,omitempty"`
	// Canary is true while that content is being tried on a share of the requests.
	Canary bool `json:"canary,omitempty"`
}

// state is state.json.
type state struct {
	Pin        *Pin          `json:"pin,omitempty"`
	Quarantine []Quarantined `json:"quarantine,omitempty"`
}

// Open reads what is remembered of a plugin below dir, which may be empty and need
// not exist. A nil log discards.
func Open(dir, plugin string, log *slog.Logger) *Archive {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Archive{log: log.With("plugin", plugin)}
	if dir == "" {
		return a
	}
	a.dir = filepath.Join(dir, folderName(plugin))
	var saved state
	if content, ok := a.read("state.json"); ok {
		if err := json.Unmarshal(content, &saved); err != nil {
			a.broken("state.json", err)
		} else {
			a.pin, a.quarantine = saved.Pin, saved.Quarantine
		}
	}
	content, _ := a.read("history.jsonl")
	bad := 0
	for line := range bytes.Lines(content) {
		a.lines++
		var entry Entry
		if err := json.Unmarshal(line, &entry); err != nil {
			bad++
			continue
		}
		a.history = append(a.history, entry)
	}
	if bad > 0 {
		a.broken("history.jsonl", fmt.Errorf("%d of its %d lines cannot be read", bad, a.lines))
		a.lines = 2 * maxHistory // the next entry writes it anew
	}
	if len(content) > 0 && content[len(content)-1] != '\n' {
		a.lines = 2 * maxHistory // a line without its end would take the next entry in
	}
	a.history = lastEntries(a.history)
	return a
}

// folderName is a plugin's name as the name of a folder. Those that the
// configuration allows stay as they are.
func folderName(plugin string) string {
	name := strings.ReplaceAll(url.PathEscape(plugin), ".", "%2E")
	if name == "" || len(name) > 200 {
		sum := sha256.Sum256([]byte(plugin))
		name = "%" + hex.EncodeToString(sum[:])
	}
	return name
}

// read returns the content of one of the archive's files.
func (a *Archive) read(name string) (content []byte, ok bool) {
	content, err := ReadFile(filepath.Join(a.dir, name), maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.broken(name, err)
	}
	return content, err == nil
}

func (a *Archive) broken(name string, err error) {
	a.log.Warn("what is remembered of the plugin cannot be read: going on without it", "file", filepath.Join(a.dir, name), "err", err)
}

// SetPin has a module stand in front of the source's content; nothing does if that
// is the module.
func (a *Archive) SetPin(want Pin) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var before Pin
	if a.pin != nil {
		before = *a.pin
	}
	if want.Digest == want.Over {
		want = Pin{}
	}
	if want == before {
		return
	}
	a.changed = true
	if a.pin = nil; want.Digest != "" {
		a.pin = &want
	}
}

// Front returns the digest of what stands in front of the source's content, whose
// digest is content, or ""; and whether that content was being tried.
func (a *Archive) Front(content string) (digest string, canary bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pin == nil || a.pin.Over != content {
		return "", false
	}
	return a.pin.Digest, a.pin.Canary
}

// Flush writes what is not written yet. Any goroutine may call it; what was
// remembered before the call is on the disk when it returns, or logged as lost.
func (a *Archive) Flush() {
	if a.dir == "" {
		return
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	now, stateChanged := state{a.pin, slices.Clone(a.quarantine)}, a.changed
	news := slices.Clone(a.history[len(a.history)-a.unsaved:])
	anew := a.lines+len(news) > 2*maxHistory
	if anew {
		news = lastEntries(a.history)
	}
	a.changed, a.unsaved = false, 0
	a.mu.Unlock()

	if !stateChanged && len(news) == 0 {
		return
	}
	err := os.MkdirAll(a.dir, 0o700)
	if err == nil && stateChanged {
		var content []byte
		if content, err = json.MarshalIndent(now, "", "  "); err == nil {
			err = replaceFile(filepath.Join(a.dir, "state.json"), content)
		}
	}
	if err == nil && len(news) > 0 {
		err = a.writeHistory(news, anew)
	}
	if err != nil {
		a.mu.Lock()
		a.changed = a.changed || stateChanged // the next flush tries again
		a.mu.Unlock()
		a.log.Warn("what is to be remembered of the plugin cannot be written: it may be lost with this process", "err", err)
	}
}
