package initd

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"edge/abi"
)

const (
	// maxDepth is how many folders below each other are looked into: each holds
	// a descriptor while what is in it is dealt with.
	maxDepth = 256
	// walkRoom is how many names a walk holds at a time, minBatch how many of
	// a folder at least.
	walkRoom = 64 << 10
	minBatch = 256
)

// folder is an open folder. What is in it is reached through it, so that nobody
// can lead the init elsewhere by putting a symlink in the place of a folder.
type folder struct {
	*os.File        // its name is the path by which it was reached
	below    string // its path below the folder where it all began; "" for that one
}

// openFolder opens the folder at a path, links followed.
func openFolder(path string) (*folder, error) {
	fd, err := openAt(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, fileError(path, err)
	}
	return &folder{os.NewFile(uintptr(fd), path), ""}, nil
}

// enterFolder opens a folder for an operation with all that is in it, when there
// is a place for one more of those. leave closes it and gives the place back.
func (s *server) enterFolder(ctx context.Context, path string) (top *folder, leave func(), err error) {
	if err := s.walks.take(ctx); err != nil {
		return nil, nil, err
	}
	if top, err = openFolder(path); err != nil {
		s.walks.give()
		return nil, nil, err
	}
	return top, func() { top.Close(); s.walks.give() }, nil
}

// openAt is openat(2), once more when a signal came between.
func openAt(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func (f *folder) fd() int { return int(f.Fd()) }

// rel is an entry's path below where it all began, abs the one by which it was
// reached.
func (f *folder) rel(name string) string { return path.Join(f.below, name) }
func (f *folder) abs(name string) string { return path.Join(f.Name(), name) }

// sub opens a folder that is an entry. A link is ENOTDIR or ELOOP.
func (f *folder) sub(name string) (*folder, error) {
	fd, err := openAt(f.fd(), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	return &folder{os.NewFile(uintptr(fd), f.abs(name)), f.rel(name)}, nil
}

// lstat tells what an entry is, a link not followed.
func (f *folder) lstat(name string) (*unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	return &st, nil
}

// entry is a name in a folder, and what it is.
type entry struct {
	name string
	kind fs.FileMode // type bits
}

func (e entry) hidden() bool { return e.name[0] == '.' }

// next returns the first n entries beyond the name last, by name, and whether
// there are more.
func (f *folder) next(ctx context.Context, last string, n int) (entries []entry, more bool, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, false, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		some, err := f.ReadDir(1024)
		for _, e := range some {
			if e.Name() > last {
				entries = append(entries, entry{e.Name(), e.Type()})
			}
		}
		if len(entries) > 2*n || err != nil {
			slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
			if len(entries) > n {
				entries, more = entries[:n], true
			}
		}
		if err == io.EOF {
			return entries, more, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
}

// walk visits all below a folder: each folder's entries by name, and after a
// folder what is in it. Links are visited, never followed.
type walk struct {
	ctx    context.Context
	hidden bool // visit names that begin with a dot
	// visit returns whether a folder is to be looked into, or an error that ends
	// the walk; errEnough ends it well.
	visit func(in *folder, e entry) (into bool, err error)
	// missed is set when not all was seen: a folder that may not be read, or
	// one too deep.
	missed bool
	held   int // names
}

var errEnough = errors.New("enough was seen")

// run visits everything below the folder, which stays the caller's.
func (w *walk) run(top *folder) error {
	err := w.folder(top, 1)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func (w *walk) folder(f *folder, depth int) error {
	for last := ""; ; {
		batch := max((walkRoom-w.held)/2, minBatch)
		entries, more, err := f.next(w.ctx, last, batch)
		if err != nil {
			return w.excuse(err)
		}
		w.held += len(entries)
		for _, e := range entries {
			if e.hidden() && !w.hidden {
				continue
			}
			if err := w.entry(f, e, depth); err != nil {
				return err
			}
		}
		w.held -= len(entries)
		if !more {
			return nil
		}
		last = entries[len(entries)-1].name
	}
}

func (w *walk) entry(in *folder, e entry, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	into, err := w.visit(in, e)
	if err != nil || !into || !e.kind.IsDir() {
		return err
	}
	if depth == maxDepth {
		w.missed = true
		return nil
	}
	f, err := in.sub(e.name)
	if err != nil {
		return w.excuse(err)
	}
	defer f.Close()
	return w.folder(f, depth+1)
}

// excuse goes on without a folder that has gone, or may not be read.
func (w *walk) excuse(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		w.missed = true
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ESRCH):
		return nil // ESRCH: a process that /proc had just shown
	}
	return err
}

// lateError says that a walk was not over when its time was.
func lateError(ctx context.Context, op, path, advice string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return abi.Errorf(abi.CodeTimeout, "%s of %.200s had not ended when its time was over", op, path).
			WithStarted(abi.StartedYes).WithSuggestion("%s", advice)
	}
	return ctx.Err()
}
