package archive

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// MaxModules is how many modules of a plugin are kept: those that served last.
	MaxModules = 5
	// MaxModule bounds the size of a module that can be read back, in bytes.
	MaxModule = 256 << 20
	// maxSignature bounds that of a signature, in bytes.
	maxSignature = 256
)

// signatureSuffix follows a module's file name in the name of its signature's
// file.
const signatureSuffix = ".sig"

// ErrSignature is the signature of a kept module that cannot be read.
var ErrSignature = errors.New("its signature")

// Module is a module as it is kept. The archive changes neither of its parts; what
// Module returns is the caller's.
type Module struct {
	Bytes     []byte
	Signature []byte // what a signature's file holds, not looked into; nil is none
}

func (a *Archive) modulePath(digest string) string {
	return filepath.Join(a.dir, "modules", digest+".wasm")
}

// Keep has a module that serves outlive the process, as the newest of them, and
// removes all but the last MaxModules. The digest is the SHA-256 of its bytes, in
// lower-case hexadecimal; the caller has computed it. It returns false if the
// module is not kept: there is no folder, or it cannot be written, which is logged.
func (a *Archive) Keep(digest string, module Module) bool {
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
		}
	}
	if err == nil {
		// A new file's own time is behind the clock that Touch goes by, up to some
		// milliseconds.
		err = os.Chtimes(path, now, now)
	}
	if err == nil {
		err = a.prune()
	}
	if err != nil {
		a.log.Warn("the plugin's module cannot be kept: a restart will not find it", "digest", digest, "err", err)
	}
	return err == nil
}

// Touch makes a kept module the newest: it serves again.
func (a *Archive) Touch(digest string) {
	now := time.Now()
	if a.dir != "" {
		_ = os.Chtimes(a.modulePath(digest), now, now) // one that is not kept is not the newest either
	}
}

// Modules lists the digests of the modules that are kept, the one that served last
// first.
func (a *Archive) Modules() []string {
	if a.dir == "" {
		return nil
	}
	files, err := os.ReadDir(filepath.Join(a.dir, "modules"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.broken("modules", err)
	}
	var digests []string
	served := map[string]time.Time{} // last
	for _, f := range files {
		digest, ok := strings.CutSuffix(f.Name(), ".wasm")
		if st, err := f.Info(); ok && err == nil && len(digest) == 64 {
			digests = append(digests, digest)
			served[digest] = st.ModTime()
		}
	}
	slices.SortFunc(digests, func(a, b string) int {
		return cmp.Or(served[b].Compare(served[a]), strings.Compare(a, b))
	})
	return digests
}

// prune removes all but the last few modules, and what a crash left behind.
// a.writing is held.
func (a *Archive) prune() error {
	var err error
	if all := a.Modules(); len(all) > MaxModules {
		for _, old := range all[MaxModules:] {
			path := a.modulePath(old)
			err = errors.Join(err, removeFile(path), removeFile(path+signatureSuffix))
		}
	}
	left, globErr := filepath.Glob(filepath.Join(a.dir, "modules", temporary+"*"))
	for _, path := range left {
		err = errors.Join(err, removeFile(path))
	}
	return errors.Join(err, globErr)
}

// Module returns a kept module, if its content still has the digest. The error is
// ErrSignature if its signature is there and cannot be read, and has an
// *UnfitError if a file is none of ours.
func (a *Archive) Module(digest string) (Module, error) {
	if a.dir == "" {
		return Module{}, errors.New("no modules are kept")
	}
	m, err := readModule(a.modulePath(digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Module{}, fmt.Errorf("the module %s is not kept any more", short(digest))
	case err != nil:
		return Module{}, err
	}
	if sum := sha256.Sum256(m.Bytes); hex.EncodeToString(sum[:]) != digest {
		return Module{}, fmt.Errorf("the kept module %s is broken: it is another one by its content", short(digest))
	}
	return m, nil
}

// readModule reads a module's file and its signature's, if it has one.
func readModule(path string) (Module, error) {
	content, err := ReadFile(path, MaxModule)
	if err != nil {
		return Module{}, err
	}
	signature, err := ReadFile(path+signatureSuffix, maxSignature)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Module{Bytes: content}, nil
	case err != nil:
		return Module{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return Module{Bytes: content, Signature: signature}, nil
}

// short is a digest as people call it.
func short(digest string) string { return digest[:min(12, len(digest))] }
