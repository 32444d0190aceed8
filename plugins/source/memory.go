package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// memory is which version of a source was taken last, as a file keeps it.
type memory struct {
	Source  string  `json:"source"`
	Version Version `json:"version"`
}

// maxMemory bounds the file.
const maxMemory = 64 << 10

// open reads the memory, once. What cannot be read counts as nothing: the
// source's version is then taken again, which does no harm. syncing is held.
func (f *Follower) open() {
	if f.opened || f.Memory == "" {
		return
	}
	f.opened = true
	text, err := readFile(f.Memory, maxMemory)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var m memory
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		f.log().Warn("it is not known which version of the plugin was taken last; the source's is taken", "plugin", f.Plugin, "file", f.Memory, "error", err)
		return
	}
	if m.Source == f.Name {
		f.taken = m.Version
	}
}

// remember writes the memory, whole or not at all, and logs a failure. syncing is held.
func (f *Follower) remember() {
	if f.Memory == "" {
		return
	}
	text, err := json.Marshal(memory{f.Name, f.taken})
	if err == nil {
		err = replaceFile(f.Memory, text)
	}
	if err != nil {
		// What was taken serves; a restart may take it again.
		f.log().Warn("which version of the plugin was taken is not kept", "plugin", f.Plugin, "error", err)
	}
}

// replaceFile puts content in place of a file's in one step.
func replaceFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
