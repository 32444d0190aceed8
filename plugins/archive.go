package plugins

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

const (
	// maxHistory bounds the entries of a plugin's history.
	maxHistory = 200
	// maxQuarantined bounds the digests in a plugin's quarantine; the oldest goes.
	maxQuarantined = 100
	// maxArchiveFile bounds a file of an archive that is no module, in bytes.
	maxArchiveFile = 4 << 20
	// maxWhy bounds the reason in a history's entry, in bytes.
	maxWhy = 1 << 10
)

// archive is what is remembered of one plugin over restarts: its history, its
// quarantine, what was put in front of its source, and its last modules. The
// files, below Config.StateDir/NAME:
//
//	state.json              pin and quarantine
//	history.jsonl           a line for each entry, oldest first
//	modules/DIGEST.wasm     a module, and beside it
//	modules/DIGEST.wasm.sig its signature, if it has one
//
// Without a folder it is remembered as long as the process lives, but for the
// modules. What is broken or cannot be written is logged and done without: a
// state never stops an edge.
type archive struct {
	dir string // empty: none
	log *slog.Logger

	mu         sync.Mutex
	history    []HistoryEntry
	unsaved    int // entries of history, the newest, that are not in the file
	lines      int // in the file
	quarantine []Quarantined
	pin        *pin
	changed    bool // state.json is to be written

	writing sync.Mutex // one flush at a time
}

// pin is a module that was put in front of a source's content: by an upload, or
// by a rollback.
type pin struct {
	Digest string `json:"digest"`
	// Over is the digest of the source's content then; other content counts again.
	// Empty for a plugin without a file.
	Over string `json:"over,omitempty"`
	// Canary is true while that content is being tried on a share of the requests.
	Canary bool `json:"canary,omitempty"`
}

// archiveState is state.json.
type archiveState struct {
	Pin        *pin          `json:"pin,omitempty"`
	Quarantine []Quarantined `json:"quarantine,omitempty"`
}

// openArchive reads what is remembered of a plugin below dir, which may be empty.
func openArchive(dir, plugin string, log *slog.Logger) *archive {
	a := &archive{log: log.With("plugin", plugin)}
	if dir == "" {
		return a
	}
	a.dir = filepath.Join(dir, folderName(plugin))
	var state archiveState
	if content, ok := a.read("state.json"); ok {
		if err := json.Unmarshal(content, &state); err != nil {
			a.broken("state.json", err)
		} else {
			a.pin, a.quarantine = state.Pin, state.Quarantine
		}
	}
	content, _ := a.read("history.jsonl")
	bad := 0
	for line := range bytes.Lines(content) {
		a.lines++
		var entry HistoryEntry
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

// lastEntries is as much of a history as is kept.
func lastEntries(entries []HistoryEntry) []HistoryEntry {
	return slices.Clone(entries[max(0, len(entries)-maxHistory):])
}

// read returns the content of one of the archive's files.
func (a *archive) read(name string) (content []byte, ok bool) {
	content, err := readFile(filepath.Join(a.dir, name), maxArchiveFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.broken(name, err)
	}
	return content, err == nil
}

func (a *archive) broken(name string, err error) {
	a.log.Warn("what is remembered of the plugin cannot be read: going on without it", "file", filepath.Join(a.dir, name), "err", err)
}

// add puts an entry at the history's end.
func (a *archive) add(entry HistoryEntry) {
	entry.Why = cut(entry.Why, maxWhy)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.history = append(a.history, entry)
	a.unsaved++
	if len(a.history) > 2*maxHistory {
		a.history = lastEntries(a.history)
		a.unsaved = min(a.unsaved, len(a.history))
	}
}

// cut is text of at most most bytes, whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// entries returns the history, oldest first.
func (a *archive) entries() []HistoryEntry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return lastEntries(a.history)
}

// setPin has a module stand in front of the source's content; nothing does if that
// is the module.
func (a *archive) setPin(want pin) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var before pin
	if a.pin != nil {
		before = *a.pin
	}
	if want.Digest == want.Over {
		want = pin{}
	}
	if want == before {
		return
	}
	a.changed = true
	if a.pin = nil; want.Digest != "" {
		a.pin = &want
	}
}

// pinned returns what stands in front of the source's content, or "".
func (a *archive) pinned(content string) string {
	digest, _ := a.front(content)
	return digest
}

// front is pinned, and tells whether the content was being tried.
func (a *archive) front(content string) (digest string, canary bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pin == nil || a.pin.Over != content {
		return "", false
	}
	return a.pin.Digest, a.pin.Canary
}

// flush writes what is not written yet. Any goroutine may call it; what was
// remembered before the call is on the disk when it returns, or logged as lost.
func (a *archive) flush() {
	if a.dir == "" {
		return
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	state, stateChanged := archiveState{a.pin, slices.Clone(a.quarantine)}, a.changed
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
		if content, err = json.MarshalIndent(state, "", "  "); err == nil {
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

// writeHistory puts entries at the end of the file, or in place of what is in it.
// a.writing is held.
func (a *archive) writeHistory(entries []HistoryEntry, anew bool) error {
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

// replaceFile writes a file so that a crash leaves the old content or the new.
func replaceFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, temporary+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(dir)
}

// temporary begins the name of a file that is being written.
const temporary = ".new-"

// syncFolder has a renamed file's name survive a crash.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
