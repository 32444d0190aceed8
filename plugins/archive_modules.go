package plugins

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// keptModules is how many modules of a plugin are kept: those that served last.
const keptModules = 5

func (a *archive) modulePath(digest string) string {
	return filepath.Join(a.dir, "modules", digest+".wasm")
}

// keep has a module that serves outlive the process, as the newest of them. It
// returns false if it does not.
func (a *archive) keep(digest string, module Module) bool {
	if a.dir == "" {
		return false
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	path := a.modulePath(digest)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil && len(module.Signature) > 0 {
		err = replaceFile(path+signatureSuffix, module.Signature)
	}
	now := time.Now()
	if err == nil {
		if st, missing := os.Stat(path); missing != nil || st.Size() != int64(len(module.Bytes)) {
			err = replaceFile(path, module.Bytes)
		} else {
			err = os.Chtimes(path, now, now)
		}
	}
	if err == nil {
		err = a.prune()
	}
	if err != nil {
		a.log.Warn("the plugin's module cannot be kept: a restart will not find it", "digest", digest, "err", err)
	}
	return err == nil
}

// touch makes a kept module the newest: it serves again.
func (a *archive) touch(digest string) {
	now := time.Now()
	if a.dir != "" {
		_ = os.Chtimes(a.modulePath(digest), now, now) // one that is not kept is not the newest either
	}
}

// kept is one module of the archive.
type kept struct {
	digest string
	served time.Time // last
}

// modules lists the modules, the one that served last first.
func (a *archive) modules() []kept {
	if a.dir == "" {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(a.dir, "modules"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.broken("modules", err)
	}
	var all []kept
	for _, e := range entries {
		digest, ok := strings.CutSuffix(e.Name(), ".wasm")
		if st, err := e.Info(); ok && err == nil && len(digest) == 64 {
			all = append(all, kept{digest, st.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b kept) int {
		return cmp.Or(b.served.Compare(a.served), strings.Compare(a.digest, b.digest))
	})
	return all
}

// prune removes all but the last few modules, and what a crash left behind.
// a.writing is held.
func (a *archive) prune() error {
	var err error
	if all := a.modules(); len(all) > keptModules {
		for _, old := range all[keptModules:] {
			path := a.modulePath(old.digest)
			err = errors.Join(err, removeFile(path), removeFile(path+signatureSuffix))
		}
	}
	left, globErr := filepath.Glob(filepath.Join(a.dir, "modules", temporary+"*"))
	for _, path := range left {
		err = errors.Join(err, removeFile(path))
	}
	return errors.Join(err, globErr)
}

// removeFile removes a file that may not be there.
func removeFile(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// module returns a kept module.
func (a *archive) module(digest string) (Module, error) {
	if a.dir == "" {
		return Module{}, errors.New("no modules are kept")
	}
	m, err := readModule(a.modulePath(digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Module{}, fmt.Errorf("the module %s is not kept any more", short(digest))
	case err != nil:
		return Module{}, err
	case digestOf(m.Bytes) != digest:
		return Module{}, fmt.Errorf("the kept module %s is broken: it is another one by its content", short(digest))
	}
	m.Origin = "kept"
	return m, nil
}

// short is a digest as logs and people call it.
func short(digest string) string { return digest[:min(12, len(digest))] }
