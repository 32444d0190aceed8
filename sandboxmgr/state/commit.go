package state

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"edge/sandboxmgr"
)

// commit is one caller's changes on their way to the disk. Its last three
// fields belong to the holder of Store.write.
type commit struct {
	changes  []sandboxmgr.Change
	done     bool
	revision int64
	err      error
}

// Commit makes all changes or none, and returns the store's new revision once
// they are on disk. sandboxmgr.ErrConflict if an entry's revision is not the
// one a change expects, ErrInvalid for an empty or oversized key or value or a
// key that is named twice. The context counts before the write begins: a write
// that began ends.
func (s *Store) Commit(ctx context.Context, changes ...sandboxmgr.Change) (int64, error) {
	if err := validate(changes); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c := &commit{changes: changes}
	s.mu.Lock()
	s.waiting = append(s.waiting, c)
	s.mu.Unlock()

	// Who gets here first writes for all that wait; the others find themselves
	// done. Nobody waits longer than for the write in progress and its own.
	s.write.Lock()
	defer s.write.Unlock()
	if !c.done {
		s.flush()
	}
	return c.revision, c.err
}

// flush writes every waiting commit in one transaction.
func (s *Store) flush() {
	s.mu.Lock()
	batch := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, c := range batch {
			if c.revision, c.err = apply(tx, c.changes); c.err != nil && !errors.Is(c.err, sandboxmgr.ErrConflict) {
				return c.err
			}
		}
		return nil
	})
	for _, c := range batch {
		if err != nil {
			c.revision, c.err = 0, fmt.Errorf("write state: %w", mapClosed(err))
		}
		c.done = true
	}
}

// apply checks every expectation before it changes anything, because a
// transaction holds the commits of several callers and cannot be undone for one.
func apply(tx *bolt.Tx, changes []sandboxmgr.Change) (int64, error) {
	entries, meta := tx.Bucket(entriesBucket), tx.Bucket(metaBucket)
	for _, c := range changes {
		var current int64
		if v := entries.Get([]byte(c.Key)); v != nil {
			e, err := decode([]byte(c.Key), v)
			if err != nil {
				return 0, err
			}
			current = e.Revision
		}
		if c.Expect != sandboxmgr.AnyRevision && c.Expect != current {
			return 0, fmt.Errorf("%w: %s is at revision %d, not %d", sandboxmgr.ErrConflict, c.Key, current, c.Expect)
		}
	}
	revision := uint64(1)
	if v := meta.Get(revisionKey); len(v) == revisionBytes {
		revision += binary.BigEndian.Uint64(v)
	}
	stamp := binary.BigEndian.AppendUint64(nil, revision)
	if err := meta.Put(revisionKey, stamp); err != nil {
		return 0, err
	}
	for _, c := range changes {
		var err error
		if c.Value == nil {
			err = entries.Delete([]byte(c.Key))
		} else {
			err = entries.Put([]byte(c.Key), append(stamp[:revisionBytes:revisionBytes], c.Value...))
		}
		if err != nil {
			return 0, err
		}
	}
	return int64(revision), nil
}

func validate(changes []sandboxmgr.Change) error {
	seen := make(map[string]bool, len(changes))
	for _, c := range changes {
		switch {
		case c.Key == "" || len(c.Key) > MaxKey:
			return fmt.Errorf("%w: a key of %d bytes (1 to %d)", ErrInvalid, len(c.Key), MaxKey)
		case len(c.Value) > MaxValue:
			return fmt.Errorf("%w: %s has %d bytes (at most %d)", ErrInvalid, c.Key, len(c.Value), MaxValue)
		case seen[c.Key]:
			return fmt.Errorf("%w: %s is changed twice", ErrInvalid, c.Key)
		case c.Expect < sandboxmgr.AnyRevision:
			return fmt.Errorf("%w: %s expects revision %d", ErrInvalid, c.Key, c.Expect)
		}
		seen[c.Key] = true
	}
	return nil
}
