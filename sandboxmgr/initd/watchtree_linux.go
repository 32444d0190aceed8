package initd

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// maxWatched is how many folders one watch can watch.
const maxWatched = 100_000

// watchedFolder is a folder that is watched. Its path follows from the folders
// above it, so that moving one moves all that are in it.
type watchedFolder struct {
	wd     int
	name   string
	parent *watchedFolder // nil for the topmost
	subs   map[string]*watchedFolder
	// scanned are names that were found when the watching began: should the
	// kernel tell of their creation as well, it was told already.
	scanned map[string]struct{}
}

// path is relative to the topmost folder.
func (f *watchedFolder) path() string {
	if f.parent == nil {
		return ""
	}
	return path.Join(f.parent.path(), f.name)
}

func (f *watchedFolder) depth() int {
	n := 0
	for ; f.parent != nil; f = f.parent {
		n++
	}
	return n
}

// watchTree is the folders that a watch watches.
type watchTree struct {
	notifier *notifier
	filter   *watchFilter
	deep     bool // folders in folders too
	top      *watchedFolder
	path     string      // of the topmost folder
	identity os.FileInfo // of the folder that was there
	byWD     map[int]*watchedFolder
	fresh    []*watchedFolder // those with scanned names
	found    func(abi.WatchEvent) error
}

// begin watches what there is at a path. It is not kept open: the kernel does not
// tell of the end of a folder that somebody has open.
func (t *watchTree) begin(ctx context.Context, path string) error {
	root, err := openFolder(path)
	if err != nil {
		return err
	}
	defer root.Close()
	t.path, t.byWD = path, make(map[int]*watchedFolder)
	if t.identity, err = root.Stat(); err != nil {
		return fileError(path, err)
	}
	wd, err := t.notifier.add(root, topMask)
	if err != nil {
		return err
	}
	t.top = &watchedFolder{wd: wd}
	t.byWD[wd] = t.top
	return t.scan(ctx, t.top, root, nil)
}

// resync watches what there is now, after changes were lost.
func (t *watchTree) resync(ctx context.Context) error {
	root, err := t.open(t.top)
	if err != nil {
		return excused(err) // it has gone, which the kernel tells
	}
	defer root.Close()
	return t.scan(ctx, t.top, root, nil)
}

// enter watches a folder that has come, and tells what is in it: it may have come
// before the watching began.
func (t *watchTree) enter(ctx context.Context, in *watchedFolder, name string) error {
	f, err := t.open(in)
	if err != nil {
		return excused(err)
	}
	defer f.Close()
	return t.sub(ctx, in, f, name, t.found)
}

// open opens a watched folder, step by step so that no link is followed.
func (t *watchTree) open(w *watchedFolder) (*folder, error) {
	if w.parent == nil {
		return t.openTop()
	}
	above, err := t.open(w.parent)
	if err != nil {
		return nil, err
	}
	defer above.Close()
	return above.sub(w.name)
}

// openTop opens the topmost folder, unless another has come in its place.
func (t *watchTree) openTop() (*folder, error) {
	f, err := openFolder(t.path)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !os.SameFile(st, t.identity) {
		f.Close()
		return nil, notFound(t.path)
	}
	return f, nil
}

// sub watches the folder name in a watched one and what is in it, telling tell of
// that unless it is nil. One that has gone or that may not be read is left out.
func (t *watchTree) sub(ctx context.Context, in *watchedFolder, at *folder, name string, tell func(abi.WatchEvent) error) error {
	p := path.Join(in.path(), name)
	if !t.deep || !t.filter.enters(p) || in.depth()+1 >= maxDepth {
		return nil
	}
	f, err := at.sub(name)
	if err != nil {
		return excused(err)
	}
	defer f.Close()
	wd, err := t.notifier.add(f, watchMask)
	if err != nil {
		return excused(err)
	}
	w := t.byWD[wd]
	if w == t.top { // a mount of the topmost folder in itself
		return nil
	}
	if w == nil {
		if len(t.byWD) >= maxWatched {
			return abi.Errorf(abi.CodeQuotaExceeded, "there are more than the %d folders that can be watched at once", maxWatched).
				WithSuggestion("leave folders out by exclude")
		}
		w = &watchedFolder{wd: wd}
		t.byWD[wd] = w
	}
	t.attach(w, in, name)
	return t.scan(ctx, w, f, tell)
}

// attach gives a folder its place, where none or another was.
func (t *watchTree) attach(w, in *watchedFolder, name string) {
	if w.parent != nil && w.parent.subs[w.name] == w {
		delete(w.parent.subs, w.name)
	}
	if old := in.subs[name]; old != nil && old != w {
		t.drop(old)
	}
	w.parent, w.name = in, name
	if in.subs == nil {
		in.subs = make(map[string]*watchedFolder)
	}
	in.subs[name] = w
}

// scan watches the folders in a watched one, and tells tell what is in it.
func (t *watchTree) scan(ctx context.Context, w *watchedFolder, f *folder, tell func(abi.WatchEvent) error) error {
	if tell == nil && !t.deep {
		return nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	there := make(map[string]bool, len(w.subs))
	for {
		some, err := f.ReadDir(1024)
		for _, e := range some {
			if err := t.scanned(ctx, w, f, e, tell); err != nil {
				return err
			}
			if w.subs[e.Name()] != nil {
				there[e.Name()] = true
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return excused(err)
		}
	}
	for name, sub := range w.subs {
		if !there[name] {
			t.drop(sub)
		}
	}
	return nil
}

// scanned deals with one entry that a scan has found.
func (t *watchTree) scanned(ctx context.Context, w *watchedFolder, f *folder, e fs.DirEntry, tell func(abi.WatchEvent) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if tell != nil {
		if w.scanned == nil {
			w.scanned = make(map[string]struct{})
			t.fresh = append(t.fresh, w)
		}
		w.scanned[e.Name()] = struct{}{}
		if err := tell(abi.WatchEvent{Type: abi.WatchCreate, Path: path.Join(w.path(), e.Name()), IsDir: e.IsDir()}); err != nil {
			return err
		}
	}
	if !e.IsDir() {
		return nil
	}
	return t.sub(ctx, w, f, e.Name(), tell)
}

// told tells whether a scan has told of the creation of a name, once.
func (w *watchedFolder) told(name string) bool {
	_, ok := w.scanned[name]
	delete(w.scanned, name)
	return ok
}

// drained forgets what scans have told: all that the kernel had to say of it was
// read.
func (t *watchTree) drained() {
	for _, w := range t.fresh {
		w.scanned = nil
	}
	t.fresh = nil
}

// drop stops watching a folder and all in it.
func (t *watchTree) drop(w *watchedFolder) {
	if w.parent != nil && w.parent.subs[w.name] == w {
		delete(w.parent.subs, w.name)
	}
	for _, sub := range w.subs {
		t.drop(sub)
	}
	if t.byWD[w.wd] == w {
		t.notifier.remove(w.wd)
		delete(t.byWD, w.wd)
	}
}

// excused is err unless it says that a folder has gone, is none any more, or may
// not be read.
func excused(err error) error {
	for _, ok := range []error{
		fs.ErrNotExist, fs.ErrPermission, syscall.ENOTDIR, syscall.ELOOP, unix.ENAMETOOLONG,
		abi.CodeFileNotFound.Err(), abi.CodePermissionDenied.Err(),
	} {
		if errors.Is(err, ok) {
			return nil
		}
	}
	return err
}
