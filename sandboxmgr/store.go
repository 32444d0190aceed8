package sandboxmgr

import (
	"context"
	"errors"
)

// Errors of a Store.
var (
	ErrNoEntry  = errors.New("no such entry")
	ErrConflict = errors.New("entry was changed by somebody else")
)

// Store keeps small records under keys like "sandbox/Sandbox/echo". A write is
// on disk before it is answered. The hot path never touches it.
type Store interface {
	// Get returns the entry, or ErrNoEntry.
	Get(ctx context.Context, key string) (Entry, error)
	// List returns at most limit entries whose keys begin with prefix and come
	// after the key after, in key order.
	List(ctx context.Context, prefix, after string, limit int) ([]Entry, error)
	// Commit makes all changes or none and returns the store's new revision.
	// ErrConflict if an entry's revision is not the one a change expects.
	Commit(ctx context.Context, changes ...Change) (revision int64, err error)
	// Close flushes and closes; calls after it fail.
	Close() error
}

// Entry is one record with the revision of its last write.
type Entry struct {
	Key      string
	Value    []byte
	Revision int64
}

// Change writes or deletes one entry if its revision is still Expect.
type Change struct {
	Key   string
	Value []byte // nil deletes
	// Expect is the revision that must be current; 0 means the entry must not
	// exist, AnyRevision means whatever is there.
	Expect int64
}

// AnyRevision as Change.Expect accepts whatever is there.
const AnyRevision = -1
