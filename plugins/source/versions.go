package source

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Suffixes of the files in a folder of versions.
const (
	moduleSuffix    = ".wasm"
	signatureSuffix = ".sig" // behind the module's whole name: its signature, 64 bytes or in base64
)

// Versions is a folder that holds one .wasm file for each version of a module. The
// newest by the natural order of names serves (v9 comes before v10); removing it
// brings the one before it back. Hidden files are none of its versions, so that a
// new one can be written beside them and then renamed.
type Versions struct{ dir string }

var _ Source = (*Versions)(nil)

// NewVersions returns the source that is a folder.
func NewVersions(dir string) *Versions { return &Versions{dir} }

// Folder is the folder itself.
func (s *Versions) Folder() string { return s.dir }

// Concerns tells whether a file is a version, or the signature of one.
func (s *Versions) Concerns(file string) bool {
	name := filepath.Base(file)
	return isModule(name) || isModule(strings.TrimSuffix(name, signatureSuffix))
}

func isModule(name string) bool {
	return strings.HasSuffix(name, moduleSuffix) && !strings.HasPrefix(name, ".")
}

// Look names the newest file, with what tells that it was written anew.
func (s *Versions) Look(context.Context) (Version, error) {
	name, err := s.newest()
	if err != nil {
		return "", err
	}
	return s.version(name)
}

// newest is the name of the newest version.
func (s *Versions) newest() (string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return "", err
	}
	newest := ""
	for _, e := range entries {
		if !isModule(e.Name()) {
			continue
		}
		// A link may name a file elsewhere.
		if st, err := os.Stat(filepath.Join(s.dir, e.Name())); err != nil || !st.Mode().IsRegular() || st.Size() == 0 {
			continue
		}
		if newest == "" || natural(e.Name(), newest) > 0 {
			newest = e.Name()
		}
	}
	if newest == "" {
		return "", fmt.Errorf("%w: the folder %s holds no %s file", ErrNoModule, s.dir, moduleSuffix)
	}
	return newest, nil
}

// version is a file's version: its name, and size and time of the file and of its
// signature.
func (s *Versions) version(name string) (Version, error) {
	st, err := os.Stat(filepath.Join(s.dir, name))
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s/%d/%d", name, st.Size(), st.ModTime().UnixNano())
	if st, err := os.Stat(filepath.Join(s.dir, name+signatureSuffix)); err == nil {
		text += fmt.Sprintf("/%d/%d", st.Size(), st.ModTime().UnixNano())
	}
	return Version(text), nil
}

// Fetch reads the version's file, and its signature if one lies beside it.
func (s *Versions) Fetch(_ context.Context, v Version) (Module, error) {
	name, _, _ := strings.Cut(string(v), "/") // a file's name has none
	path := filepath.Join(s.dir, name)
	m := Module{Origin: path}
	var err error
	if m.Bytes, err = readFile(path, MaxModuleBytes); err != nil {
		return Module{}, err
	}
	if m.Signature, err = readSignature(path + signatureSuffix); err != nil {
		return Module{}, err
	}
	if now, err := s.version(name); err != nil || now != v {
		return Module{}, fmt.Errorf("%s was written while it was read", path)
	}
	return m, nil
}

// maxSignature bounds a signature's file: 64 bytes, in base64 at most, and a line
// break.
const maxSignature = 256

// readSignature reads a signature as bytes or in base64; a file that there is not
// is none.
func readSignature(path string) ([]byte, error) {
	text, err := readFile(path, maxSignature)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return DecodeSignature(text)
}

// signatureBytes is the length of an ed25519 signature (RFC 8032, section 5.1.6).
const signatureBytes = 64

// DecodeSignature reads what a signature's file holds: its 64 bytes, or those in
// base64.
func DecodeSignature(text []byte) ([]byte, error) {
	if len(text) == signatureBytes {
		return text, nil
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(signature) != signatureBytes {
		return nil, fmt.Errorf("it is no signature; want %d bytes, as they are or in base64", signatureBytes)
	}
	return signature, nil
}

// readFile reads a regular file of at most that many bytes. It never waits for
// what is no file, such as a named pipe.
func readFile(path string, most int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case st.Size() > int64(most):
		return nil, tooLarge(path, st.Size(), most)
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(b) > most {
		err = tooLarge(path, int64(len(b)), most)
	}
	return b, err
}
