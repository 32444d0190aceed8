package initd

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// moveWait is how long the second half of a move may follow the first: the kernel
// queues them one after the other, but not in one step.
const moveWait = 10 * time.Millisecond

// errWatchOver ends a watch whose folder has gone.
var errWatchOver = errors.New("the watched folder has gone")

// watch tells what changes in a folder, until that has gone or the edge hangs up.
func watch(ctx context.Context, req *abi.WatchRequest, s *stream) error {
	path, err := resolvePath(req.Path)
	if err != nil {
		return err
	}
	filter, err := newWatchFilter(req)
	if err != nil {
		return err
	}
	w := &watcher{filter: filter, send: func(e abi.WatchEvent) error { return s.Event(e) }}
	root, err := w.root(path)
	if err != nil {
		return err
	}
	n, err := newNotifier()
	if err != nil {
		return err
	}
	defer n.file.Close()
	defer n.closeOn(ctx)()
	w.tree = &watchTree{notifier: n, filter: &w.filter, deep: req.Recursive && w.file == "", found: w.tell}
	if err := w.tree.begin(ctx, root); err != nil {
		return err
	}
	if err := s.Open(); err != nil {
		return err
	}
	err = w.send(abi.WatchEvent{Type: abi.WatchReady})
	for err == nil {
		err = w.next(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errWatchOver):
		return nil
	}
	return err
}

// watcher is one watch.
type watcher struct {
	filter watchFilter
	tree   *watchTree
	send   func(abi.WatchEvent) error

	// file is the name of the file that is watched, if it is one, and gone
	// whether it is there no more. The filter has its name in the request.
	file string
	gone bool

	halves []half
	last   abi.WatchEvent // sent last; of one batch
}

// half is the first half of a move: something has gone from a path.
type half struct {
	cookie uint32
	path   string
	isDir  bool
	folder *watchedFolder // if it is watched
}

// root is the folder to be watched for a path. For a file it is the folder around
// it, because programs replace a file when they save it.
func (w *watcher) root(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", fileError(path, err)
	}
	if st.IsDir() {
		return path, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fileError(path, err)
	}
	w.file, w.filter.only = filepath.Base(real), filepath.Base(path)
	return filepath.Dir(real), nil
}

// next deals with the next changes.
func (w *watcher) next(ctx context.Context) error {
	patience := time.Duration(0)
	if len(w.halves) > 0 {
		patience = moveWait
	}
	notices, err := w.tree.notifier.read(w.tree.drained, patience)
	if err != nil {
		return err
	}
	if len(notices) == 0 {
		return w.giveUp(func(half) bool { return true })
	}
	arriving := make(map[uint32]bool) // moves whose second half is here
	for _, n := range notices {
		if n.is(unix.IN_MOVED_TO) {
			arriving[n.cookie] = true
		}
	}
	w.last = abi.WatchEvent{}
	for _, n := range notices {
		// What has gone stays half a move only if it is about to arrive, or if
		// it is the last that is known.
		if err := w.giveUp(func(h half) bool { return !arriving[h.cookie] }); err != nil {
			return err
		}
		if err := w.notice(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// giveUp tells that what moved, and did not come anywhere, has gone.
func (w *watcher) giveUp(lost func(half) bool) error {
	for i := 0; i < len(w.halves); {
		h := w.halves[i]
		if !lost(h) {
			i++
			continue
		}
		w.halves = append(w.halves[:i:i], w.halves[i+1:]...)
		if h.folder != nil {
			w.tree.drop(h.folder)
		}
		if err := w.tell(abi.WatchEvent{Type: abi.WatchDelete, Path: h.path, IsDir: h.isDir}); err != nil {
			return err
		}
	}
	return nil
}

// notice deals with one change.
func (w *watcher) notice(ctx context.Context, n notice) error {
	if n.is(unix.IN_Q_OVERFLOW) {
		return w.overflow(ctx)
	}
	in := w.tree.byWD[n.wd]
	switch {
	case in == nil: // of a folder that is watched no more
		return nil
	case n.is(unix.IN_IGNORED | unix.IN_UNMOUNT | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF):
		if in == w.tree.top {
			return w.over()
		}
		if n.is(unix.IN_IGNORED) {
			w.tree.drop(in)
		}
		return nil
	case n.name == "":
		return nil
	}
	e := abi.WatchEvent{Path: path.Join(in.path(), n.name), IsDir: n.is(unix.IN_ISDIR)}
	switch {
	case n.is(unix.IN_CREATE):
		return w.created(ctx, in, n, e)
	case n.is(unix.IN_MOVED_TO):
		return w.arrived(ctx, in, n, e)
	case n.is(unix.IN_MOVED_FROM):
		in.told(n.name)
		w.halves = append(w.halves, half{cookie: n.cookie, path: e.Path, isDir: e.IsDir, folder: in.detach(n.name)})
		return nil
	case n.is(unix.IN_DELETE):
		in.told(n.name)
		if sub := in.subs[n.name]; sub != nil && e.IsDir {
			w.tree.drop(sub)
		}
		e.Type = abi.WatchDelete
	default:
		e.Type = abi.WatchModify
	}
	return w.tell(e)
}

// detach takes a folder out of the one it is in, to be put elsewhere or dropped.
func (f *watchedFolder) detach(name string) *watchedFolder {
	sub := f.subs[name]
	delete(f.subs, name)
	return sub
}

func (w *watcher) created(ctx context.Context, in *watchedFolder, n notice, e abi.WatchEvent) error {
	if in.told(n.name) {
		return nil
	}
	e.Type = abi.WatchCreate
	if err := w.tell(e); err != nil || !e.IsDir {
		return err
	}
	return w.tree.enter(ctx, in, n.name)
}

// arrived deals with the second half of a move, or with something that came from
// where nobody watches.
func (w *watcher) arrived(ctx context.Context, in *watchedFolder, n notice, e abi.WatchEvent) error {
	for i, h := range w.halves {
		if h.cookie != n.cookie {
			continue
		}
		w.halves = append(w.halves[:i:i], w.halves[i+1:]...)
		in.told(n.name)
		return w.moved(ctx, in, n.name, h, e)
	}
	return w.created(ctx, in, n, e)
}

func (w *watcher) moved(ctx context.Context, in *watchedFolder, name string, h half, e abi.WatchEvent) error {
	if told, ok := w.filter.moved(w.shownPath(h.path), w.shownPath(e.Path), e.IsDir); ok {
		if err := w.sendNew(told); err != nil {
			return err
		}
	}
	switch {
	case h.folder != nil && w.filter.enters(e.Path):
		w.tree.attach(h.folder, in, name)
	case h.folder != nil:
		w.tree.drop(h.folder)
	case e.IsDir: // it was left out where it was
		return w.tree.enter(ctx, in, name)
	}
	return nil
}

// overflow tells that changes were lost. From then on none are: what came
// meanwhile is watched.
func (w *watcher) overflow(ctx context.Context) error {
	if err := w.giveUp(func(half) bool { return true }); err != nil {
		return err
	}
	if err := w.tree.resync(ctx); err != nil {
		return err
	}
	return w.send(abi.WatchEvent{Type: abi.WatchOverflow})
}

// over tells that the watched folder itself has gone.
func (w *watcher) over() error {
	if err := w.giveUp(func(half) bool { return true }); err != nil {
		return err
	}
	e := abi.WatchEvent{Type: abi.WatchDelete, Path: ".", IsDir: true}
	if w.file != "" {
		e.Path, e.IsDir = w.filter.only, false
	}
	if err := w.sendNew(e); err != nil {
		return err
	}
	return errWatchOver
}

// tell sends an event if it is wanted.
func (w *watcher) tell(e abi.WatchEvent) error {
	if e.Path = w.shownPath(e.Path); !w.filter.wants(e.Path) {
		return nil
	}
	return w.sendNew(e)
}

// shownPath is the path in events: of a file that is watched, which may be
// through a link, the name in the request, and of those beside it none that it
// could have.
func (w *watcher) shownPath(p string) string {
	switch {
	case w.file == "":
		return p
	case p == w.file:
		return w.filter.only
	}
	return "./" + p
}

// sendNew sends an event, unless it says what is known. A file that comes where it
// was before has changed; so programs save it.
func (w *watcher) sendNew(e abi.WatchEvent) error {
	if w.file != "" {
		switch e.Type {
		case abi.WatchDelete:
			if w.gone {
				return nil
			}
			w.gone = true
		case abi.WatchCreate:
			if !w.gone {
				e.Type = abi.WatchModify
			}
			w.gone = false
		}
	}
	if e == w.last && e.Type == abi.WatchModify {
		return nil
	}
	w.last = e
	return w.send(e)
}
