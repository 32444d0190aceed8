// Package kv is the key-value store of plugins: one bbolt file, with a namespace
// for each plugin, or for several that were granted the same one.
//
// A change is on disk (fsync) before it is answered. Changes that arrive while
// another one is being written share the next write, so that a hundred plugins
// that write at once do not wait for a hundred fsyncs. Each change gives its key a
// revision that is larger than all before it in the namespace, which is what
// compare-and-swap compares.
//
// A value whose time has passed is gone for every reader at that moment. Its room
// is taken back when the namespace is written to, and once a minute.
//
// The file is locked while it is open, and does not shrink: what was freed is used
// again.
package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"edge/abi"
	"edge/plugins"
)

// ErrInUse: another process holds the file.
var ErrInUse = errors.New("the plugins' key-value store is in use by another edge")

// ErrBroken: the file is no store, or not all of one.
var ErrBroken = errors.New("the plugins' key-value store is broken")

const (
	// lockWait is how long Open waits for the edge that is just about to end.
	lockWait = time.Second
	// purgeInterval is how often the room of values whose time has passed is taken
	// back.
	purgeInterval = time.Minute
)

// Store is a plugins.KV in one file. Its methods may be called at the same time.
type Store struct {
	db  *bolt.DB
	log *slog.Logger
	now func() time.Time

	// What a namespace may hold; fields for tests to change.
	maxKeys, maxBytes uint64

	quit   chan struct{}
	purger sync.WaitGroup
	once   sync.Once

	// write is held by whoever writes the waiting changes to disk.
	write sync.Mutex
	// mu guards waiting.
	mu      sync.Mutex
	waiting []*change
}

var _ plugins.KV = (*Store)(nil)

// Open opens the store in the file path, making the file (mode 0600) and its
// folder (0700) if they are missing. ErrInUse when another edge has it open,
// ErrBroken when it is no store. log gets what goes wrong inside; nil discards it.
// The caller closes the store.
func Open(path string, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the key-value store: %w", err)
	}
	err := checkWhole(path)
	var db *bolt.DB
	if err == nil {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	case errors.Is(err, ErrBroken):
		return nil, fmt.Errorf("%w: %s (bring back a copy of it, or move it away to begin with an empty one)", err, path)
	case err != nil:
		return nil, fmt.Errorf("open the key-value store %s: %w", path, err)
	}
	if err := settle(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open the key-value store %s: %w", path, err), db.Close())
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{db: db, log: log, now: time.Now, maxKeys: abi.MaxKVKeys, maxBytes: abi.MaxKVBytes, quit: make(chan struct{})}
	s.purger.Add(1)
	go s.purgeLoop()
	return s, nil
}

// checkWhole wants all of the file there that its header tells of: a read beyond
// its end, from the memory that it is mapped to, would be the process's end. A file
// that is missing or empty is a new store.
func checkWhole(path string) (err error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.Size() == 0 {
		return nil
	} else if err != nil {
		return err
	}
	// To read alone, nothing but the header is looked at.
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, ReadOnly: true})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout), errors.As(err, new(*fs.PathError)):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		// With the lock held, no other edge is making it larger.
		st, err := os.Stat(path)
		if err == nil && st.Size() < tx.Size() {
			err = fmt.Errorf("%w: it has %d bytes of %d", ErrBroken, st.Size(), tx.Size())
		}
		return err
	})
}

// settle tightens the mode of a file that somebody copied with a wider one, and
// makes the file's name durable.
func settle(path string) error {
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get returns a key's value.
func (s *Store) Get(ctx context.Context, namespace, key string) (v plugins.KVValue, err error) {
	err = s.view(ctx, namespace, func(n *space) error {
		e, err := n.entry([]byte(key))
		if err != nil {
			return err
		}
		if e == nil {
			return abi.Errorf(abi.CodeNotFound, "kv: there is no key %.100q", key)
		}
		v = plugins.KVValue{Value: bytes.Clone(e.value), Revision: e.revision}
		return nil
	})
	return v, err
}

// List returns the keys with a prefix that come after opts.After, in the order of
// their bytes, opts.Limit at most.
func (s *Store) List(ctx context.Context, namespace, prefix string, opts abi.KVListOptions) (page abi.KVPage, err error) {
	err = s.view(ctx, namespace, func(n *space) error {
		from := []byte(prefix)
		if opts.After >= prefix {
			from = append([]byte(opts.After), 0) // the least key after it
		}
		return n.each(from, func(key []byte, e *entry) bool {
			if !bytes.HasPrefix(key, []byte(prefix)) {
				return false
			}
			if page.More = len(page.Entries) >= opts.Limit; page.More {
				return false
			}
			row := abi.KVEntry{Key: string(key), Revision: e.revision, Size: len(e.value)}
			if e.expires != 0 {
				at := time.Unix(0, e.expires).UTC()
				row.ExpiresAt = &at
			}
			page.Entries = append(page.Entries, row)
			return true
		})
	})
	return page, err
}

// view runs f on what is on disk now. A namespace that was never written to is an
// empty one.
func (s *Store) view(ctx context.Context, namespace string, f func(*space) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.sayable(s.db.View(func(tx *bolt.Tx) error {
		return f(openSpace(tx, namespace, s.now()))
	}))
}

// sayable is err as a caller may see it: the edge is going down, or what was said
// already; anything else is the file's and goes to the log.
func (s *Store) sayable(err error) error {
	var said *abi.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
		return said
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return abi.Errorf(abi.CodeCanceled, "kv: the edge is going down")
	}
	s.log.Error("the plugins' key-value store failed", "err", err)
	return abi.AsError(err)
}

// Close waits for the write in progress and closes the file. A second Close does
// nothing.
func (s *Store) Close() error {
	s.once.Do(func() { close(s.quit) })
	s.purger.Wait()
	return s.db.Close()
}
