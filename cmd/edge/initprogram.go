package main

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// assets holds, besides a README, the inits that make built.
//
//go:embed assets
var assets embed.FS

// errNoInit: no init for that architecture was embedded.
var errNoInit = errors.New("no init is embedded in this build")

// initProgram is the executable that the sandboxes are given as their PID 1.
type initProgram struct {
	// Path is where it lies on this machine. The file stays for good: a stopped
	// container that is started again mounts it by this name.
	Path string
	// Args follow "/.edge/init" on its command line.
	Args []string
}

// stage is the program that process runtimes start sandboxes by, empty where it
// is the edge itself.
func (p initProgram) stage() string {
	if len(p.Args) > 0 {
		return ""
	}
	return p.Path
}

// embeddedInit returns the init for the architecture.
func embeddedInit(assets fs.FS, arch string) ([]byte, error) {
	b, err := fs.ReadFile(assets, "assets/init-linux-"+arch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoInit
	}
	return b, err
}

// installInit writes the init to {state}/bin/init-{digest}, unless it is there.
// Without an embedded one it is the executable of this process, which then must
// be a Linux program.
func installInit(assets fs.FS, state, executable string) (initProgram, error) {
	content, err := embeddedInit(assets, runtime.GOARCH)
	var args []string
	if errors.Is(err, errNoInit) {
		if runtime.GOOS != "linux" {
			return initProgram{}, fmt.Errorf("%w, and this executable is not a Linux program; make build embeds one", err)
		}
		args = []string{"init"}
		content, err = os.ReadFile(executable)
	}
	if err != nil {
		return initProgram{}, fmt.Errorf("read the sandboxes' init: %w", err)
	}
	path := filepath.Join(state, "bin", "init-"+digestOf(content)[:16])
	if err := writeExecutable(path, content); err != nil {
		return initProgram{}, fmt.Errorf("write the sandboxes' init: %w", err)
	}
	return initProgram{Path: path, Args: args}, nil
}

// writeExecutable puts the file there in one step. One that is there has the
// same content, because its name is its digest.
func writeExecutable(path string, content []byte) error {
	if st, err := os.Stat(path); err == nil && st.Size() == int64(len(content)) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".init-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(0o755), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// digestOf returns the SHA-256 of b in hexadecimal.
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// shortDigest is a digest for people: "sha256:0123456789ab". It takes digests
// with and without the prefix.
func shortDigest(digest string) string {
	const prefix = "sha256:"
	if len(digest) > len(prefix) && digest[:len(prefix)] == prefix {
		digest = digest[len(prefix):]
	}
	return prefix + digest[:min(len(digest), 12)]
}
