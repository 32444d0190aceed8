package initd

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"edge/abi"
)

// A file that is being written stands beside its place under one of these
// names, which tell watch whether it will replace another. Nothing is told of
// such a file itself.
const (
	tempNew     = ".edge-new-"
	tempReplace = ".edge-mod-"
)

// tempName makes up the name of a file that is being written.
func tempName(replaces bool) string {
	prefix := tempNew
	if replaces {
		prefix = tempReplace
	}
	return prefix + strconv.FormatUint(rand.Uint64(), 36)
}

// isTemp tells whether the name is a tempName's, and which.
func isTemp(name string) (temp, replaces bool) {
	return strings.HasPrefix(name, tempNew) || strings.HasPrefix(name, tempReplace), strings.HasPrefix(name, tempReplace)
}

// destination is what a write replaces.
type destination struct {
	asked    string // the request's path, absolute
	path     string // the same, links followed
	mode     os.FileMode
	replaces bool // there is a file
}

// writeTo checks where a request wants to write, and makes missing folders.
// Without a mode the file keeps the one it has, and a new one gets 0644.
func writeTo(path, mode string) (*destination, error) {
	asked, err := resolvePath(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, "/") || asked == "/" {
		return nil, abi.Errorf(abi.CodeIsDirectory, "%.200q names a directory", path)
	}
	bits, err := parseMode(mode, -1)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(asked), folderMode); err != nil {
		return nil, fileError(asked, err)
	}
	d := &destination{asked: asked, path: asked}
	if real, err := filepath.EvalSymlinks(asked); err == nil {
		d.path = real
	}
	st, err := os.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.mode = defaultMode
	case err != nil:
		return nil, fileError(asked, err)
	case st.IsDir():
		return nil, isDirectory(asked)
	case !st.Mode().IsRegular():
		return nil, notRegular(asked)
	default:
		d.mode, d.replaces = st.Mode().Perm(), true
	}
	if bits >= 0 {
		d.mode = os.FileMode(bits)
	}
	return d, nil
}

// draft is a file that is being written, beside its place. Whoever made it ends
// it by commit or discard.
type draft struct {
	*os.File
	to *destination
}

func (d *destination) draft() (*draft, error) {
	temp := filepath.Join(filepath.Dir(d.path), tempName(d.replaces))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fileError(d.asked, err)
	}
	return &draft{f, d}, nil
}

// commit puts the file in its place, in one step; or discards it.
func (f *draft) commit() error {
	err := f.Chmod(f.to.mode) // whatever the umask
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = syscall.Rename(f.Name(), f.to.path) // os.Rename has errors of its own
	}
	if err != nil {
		return errors.Join(fileError(f.to.asked, err), os.Remove(f.Name()))
	}
	return nil
}

// discard leaves everything as it was.
func (f *draft) discard() {
	f.Close()
	_ = os.Remove(f.Name()) // gone already with its folder, or not to be helped
}
