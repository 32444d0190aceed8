package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"edge/sandboxmgr"
	"edge/sandboxmgr/netns"
	"edge/sandboxmgr/process/stage"
)

// dialThreads bounds how many threads are in machines' networks at once.
const dialThreads = 4

// Runtime runs machines in Linux namespaces; see the package. It holds nothing
// but what its machines' handles hold, so that it needs no Close.
type Runtime struct {
	folder  string // holds a folder for each machine
	spawner spawner
	groups  hierarchies
	gate    *netns.Gate
	log     *slog.Logger

	announce, confess sync.Once // what is said once

	mu       sync.Mutex // guards what follows and machine.holders
	machines map[string]*machine
	locks    map[string]*nameLock
	works    bool // a trial start succeeded

	// before, if not nil, is called before each step of a start, whose error
	// becomes the start's. Tests set it.
	before func(step string) error
}

var _ sandboxmgr.Runtime = (*Runtime)(nil)

// New makes a Runtime. Whether machines can be started is what Check tells.
func New(cfg Config) (*Runtime, error) {
	if cfg.StateDir == "" {
		return nil, errors.New("process runtime: no state folder")
	}
	state, err := filepath.Abs(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	args := cfg.StageArgs
	if len(args) == 0 {
		args = []string{stage.Command}
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ids := chooseIDs(cmp.Or(cfg.FirstID, DefaultFirstID))
	return &Runtime{
		folder: filepath.Join(state, "machines"),
		spawner: spawner{
			executable: cmp.Or(cfg.Executable, "/proc/self/exe"),
			args:       args,
			ids:        ids,
			cloneTrees: ids.ranged(),
		},
		groups:   findHierarchies(),
		gate:     netns.NewGate(dialThreads),
		log:      log,
		machines: make(map[string]*machine),
		locks:    make(map[string]*nameLock),
	}, nil
}

// Name is "process".
func (r *Runtime) Name() string { return runtimeName }

// maxName bounds a machine's name, which is a file's.
const maxName = 200

// folderOf is where a machine's files are. Its name is kept a plain file name.
func (r *Runtime) folderOf(name string) (string, error) {
	const inner = "._-"
	foreign := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(inner, c)
	}
	if name == "" || len(name) > maxName || strings.Contains(inner, name[:1]) || strings.ContainsFunc(name, foreign) {
		return "", fmt.Errorf("machine name %q: want letters, digits, '.', '_' and '-'", name)
	}
	return filepath.Join(r.folder, name), nil
}

// Adopt returns the running machine of that name.
func (r *Runtime) Adopt(ctx context.Context, name string) (sandboxmgr.Machine, error) {
	folder, err := r.folderOf(name)
	if err != nil {
		return nil, err
	}
	unlock, err := r.lock(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	h, err := r.adopt(name, folder)
	if err != nil {
		return nil, fmt.Errorf("adopt %s: %w", name, err)
	}
	return h, nil
}

// adopt holds the running machine of that name; ErrNoMachine if none runs. The
// caller has the name's lock.
func (r *Runtime) adopt(name, folder string) (*handle, error) {
	if h := r.hold(name); h != nil {
		return h, nil
	}
	rec, err := readRecord(folder)
	if errors.Is(err, sandboxmgr.ErrNoMachine) {
		return nil, errors.Join(err, r.groups.at(name).end())
	}
	if err != nil {
		return nil, err
	}
	p, err := rec.open()
	if err != nil {
		return nil, err
	}
	if p.ended() {
		p.reap() // ours, and nobody held it when it ended
		p.close()
		return nil, sandboxmgr.ErrNoMachine
	}
	h, err := r.take(name, folder, rec, p, r.groups.at(name).present())
	if err != nil {
		p.close()
	}
	return h, err
}

// hold takes a hold of a machine that is held already and still runs. One that
// is just ending is waited for, so that what it leaves is gone.
func (r *Runtime) hold(name string) *handle {
	r.mu.Lock()
	m := r.machines[name]
	if m != nil && !m.over() {
		m.holders++
		r.mu.Unlock()
		return r.newHandle(m)
	}
	delete(r.machines, name)
	r.mu.Unlock()
	if m != nil {
		<-m.watched
	}
	return nil
}

// take makes a machine of a running process and holds it. On failure the
// process stays the caller's.
func (r *Runtime) take(name, folder string, rec record, p *process, group cgroup) (*handle, error) {
	m := &machine{
		name: name, folder: folder, record: rec, proc: p, group: group, holders: 1,
		watched: make(chan struct{}), ended: make(chan struct{}),
	}
	space, err := r.gate.Open(p.pid)
	switch {
	case p.ended() || errors.Is(err, os.ErrNotExist):
		// Nothing was opened because it is just ending, or maybe what is another
		// process's by now. The watcher tells of the end.
		if err == nil {
			space.Close()
		}
	case err == nil:
		m.space = space
	case !errors.Is(err, os.ErrPermission):
		return nil, err
	}
	r.mu.Lock()
	r.machines[name] = m
	r.mu.Unlock()
	go m.watch()
	return r.newHandle(m), nil
}

// letGo gives a hold back, and frees the machine with the last.
func (r *Runtime) letGo(m *machine) error {
	r.mu.Lock()
	m.holders--
	last := m.holders == 0
	if last && r.machines[m.name] == m {
		delete(r.machines, m.name)
	}
	r.mu.Unlock()
	if !last {
		return nil
	}
	return m.release()
}

// Remove ends the machine of that name and deletes its folder and control
// groups. One that does not exist is no error.
func (r *Runtime) Remove(ctx context.Context, name string) error {
	folder, err := r.folderOf(name)
	if err != nil {
		return err
	}
	unlock, err := r.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.remove(ctx, name, folder); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

func (r *Runtime) remove(ctx context.Context, name, folder string) error {
	h, err := r.adopt(name, folder)
	switch {
	case err == nil:
		defer h.Close()
		if err := h.stop(ctx, 0); err != nil {
			return err
		}
	case !errors.Is(err, sandboxmgr.ErrNoMachine):
		return err
	}
	return errors.Join(r.groups.at(name).remove(), removeAll(folder))
}

// removeAll deletes a folder that nobody uses any more, together with folders
// in it that their owner has made unreadable.
func removeAll(folder string) error {
	err := os.RemoveAll(folder)
	if !errors.Is(err, os.ErrPermission) {
		return err
	}
	// Walking goes on into a folder after the function was called for it.
	_ = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(folder)
}
