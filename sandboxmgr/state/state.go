// Package state is the Store of one edge: a bbolt file of small records, each
// with the revision of its last write.
//
// A commit is on disk (fsync) before it is answered, and it happens whole or not
// at all, also when the process or the machine dies in the middle. Commits that
// arrive while another one is being written share the next write, so that a
// hundred sandboxes that start together do not wait for a hundred fsyncs.
//
// The file is locked while it is open: one edge for each state folder.
package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"edge/sandboxmgr"
)

// Errors besides those of sandboxmgr.Store.
var (
	// ErrInUse: another process holds the file.
	ErrInUse = errors.New("state file is in use by another edge")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("state store is closed")
	// ErrInvalid: a key, a value or a set of changes that cannot be stored.
	ErrInvalid = errors.New("invalid change")
)

// Bounds of one entry.
const (
	MaxKey   = 1 << 10 // bytes
	MaxValue = 1 << 20 // bytes
)

// lockWait is how long Open waits for the edge that is just about to end.
const lockWait = time.Second

// The file's buckets: entries holds key -> revision (u64, big-endian) value;
// meta holds "revision" -> u64, the newest revision ever given out.
var (
	entriesBucket = []byte("entries")
	metaBucket    = []byte("meta")
	revisionKey   = []byte("revision")
)

const revisionBytes = 8

// Store is a sandboxmgr.Store in one file. Its methods may be called at the
// same time.
type Store struct {
	db *bolt.DB

	// write is held by whoever writes the waiting commits to disk.
	write sync.Mutex
	// mu guards waiting.
	mu      sync.Mutex
	waiting []*commit
}

var _ sandboxmgr.Store = (*Store)(nil)

// Open opens the store in the file path, making the file (mode 0600) and its
// folder (0700) if they are missing. ErrInUse when another edge has it open.
// The caller closes the store.
func Open(path string) (*Store, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s (stop that edge, or give this one its own state folder)", ErrInUse, path)
	case err != nil:
		return nil, fmt.Errorf("open state file %s: %w", path, err)
	}
	if err := prepare(db, path, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare state file %s: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// prepare makes the buckets, tightens the mode of a file that somebody copied
// with a wider one (it holds tokens), and makes the file's name durable.
func prepare(db *bolt.DB, path, dir string) error {
	err := db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(entriesBucket); err != nil {
			return err
		}
		_, err := tx.CreateBucketIfNotExists(metaBucket)
		return err
	})
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get returns the entry, or sandboxmgr.ErrNoEntry.
func (s *Store) Get(ctx context.Context, key string) (sandboxmgr.Entry, error) {
	if err := ctx.Err(); err != nil {
		return sandboxmgr.Entry{}, err
	}
	var e sandboxmgr.Entry
	err := s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(entriesBucket).Get([]byte(key))
		if v == nil {
			return fmt.Errorf("%w: %s", sandboxmgr.ErrNoEntry, key)
		}
		var err error
		e, err = decode([]byte(key), v)
		return err
	})
	return e, mapClosed(err)
}

// List returns at most limit entries whose keys begin with prefix and come
// after the key after, in key order. A limit below 1 returns none.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]sandboxmgr.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var es []sandboxmgr.Entry
	err := s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(entriesBucket).Cursor()
		from := []byte(prefix)
		if after >= prefix {
			from = append([]byte(after), 0) // the least key after it
		}
		for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, []byte(prefix)) && len(es) < limit; k, v = c.Next() {
			e, err := decode(k, v)
			if err != nil {
				return err
			}
			es = append(es, e)
		}
		return nil
	})
	if err != nil {
		return nil, mapClosed(err)
	}
	return es, nil
}

// Close waits for the write in progress and closes the file. A second Close
// does nothing.
func (s *Store) Close() error { return s.db.Close() }

// decode copies an entry out of the file's memory.
func decode(key, v []byte) (sandboxmgr.Entry, error) {
	if len(v) < revisionBytes {
		return sandboxmgr.Entry{}, fmt.Errorf("state entry %q is damaged: %d bytes", key, len(v))
	}
	return sandboxmgr.Entry{
		Key:      string(key),
		Revision: int64(binary.BigEndian.Uint64(v)),
		Value:    bytes.Clone(v[revisionBytes:]),
	}, nil
}

func mapClosed(err error) error {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}
