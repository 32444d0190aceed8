package kv

import (
	"context"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"edge/abi"
)

const (
	// maxBatch bounds the bytes of the changes that one write takes: they are in
	// memory until it ends.
	maxBatch = 16 << 20
	// purgeAside is how many values whose time has passed a write takes out of a
	// namespace that it changes anyway.
	purgeAside = 64
)

// change is one caller's change on its way to the disk. done, revision and err
// belong to the holder of Store.write.
type change struct {
	namespace  string
	key        []byte
	value      []byte
	remove     bool
	ttl        time.Duration
	ifRevision *uint64

	done     bool
	revision uint64
	err      error
}

// Set stores a value, and returns its revision when it is on disk. ctx counts
// before the write begins: a write that began ends.
func (s *Store) Set(ctx context.Context, namespace, key string, value []byte, opts abi.KVSetOptions) (uint64, error) {
	c := &change{namespace: namespace, key: []byte(key), value: value, ttl: opts.TTL.D(), ifRevision: opts.IfRevision}
	err := s.commit(ctx, c)
	return c.revision, err
}

// Delete removes a key.
func (s *Store) Delete(ctx context.Context, namespace, key string, opts abi.KVDeleteOptions) error {
	return s.commit(ctx, &change{namespace: namespace, key: []byte(key), remove: true, ifRevision: opts.IfRevision})
}

// commit writes a change. Who gets here first writes for all that wait; the others
// find themselves done.
func (s *Store) commit(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	s.waiting = append(s.waiting, c)
	s.mu.Unlock()

	s.write.Lock()
	defer s.write.Unlock()
	for !c.done {
		s.flush()
	}
	return c.err
}

// flush writes what waits, or as much of it as one write takes. s.write is held.
func (s *Store) flush() {
	batch := s.take()
	now := s.now()
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, c := range batch {
			n, err := makeSpace(tx, c.namespace, now)
			if err == nil {
				_, err = n.purge(purgeAside)
			}
			if err == nil {
				err = s.apply(n, c)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range batch {
		c.done = true
		if err != nil {
			c.revision, c.err = 0, s.sayable(err)
		}
	}
}

// take returns the changes that waited longest.
func (s *Store) take() []*change {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, held := 0, 0
	for n < len(s.waiting) && (n == 0 || held+len(s.waiting[n].value) <= maxBatch) {
		held += len(s.waiting[n].value)
		n++
	}
	batch := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	if len(s.waiting) == 0 {
		s.waiting = nil
	}
	return batch
}

// apply makes one change, or says in c.err why not, having changed nothing: the
// transaction holds the changes of several callers. The error is the file's.
func (s *Store) apply(n *space, c *change) error {
	stored, err := n.stored(c.key)
	if err != nil {
		return err
	}
	var current uint64 // of a value whose time has not passed
	if stored != nil && !n.over(stored) {
		current = stored.revision
	}
	if c.ifRevision != nil && *c.ifRevision != current {
		c.err = abi.Errorf(abi.CodeConflict, "kv: key %.100q is at revision %d, not %d", c.key, current, *c.ifRevision).
			WithDetails(abi.KVConflict{Revision: current})
		return nil
	}
	if c.remove {
		if stored == nil {
			return nil
		}
		return n.remove(c.key, stored)
	}
	if ok, err := s.fits(n, c, stored); err != nil || !ok {
		return err
	}
	if stored, err = n.stored(c.key); err != nil { // fits may have purged it
		return err
	}
	c.revision = n.get(revisionCount) + 1
	if err := n.set(revisionCount, c.revision); err != nil {
		return err
	}
	return n.put(c.key, &entry{c.revision, expiry(n.now, c.ttl), c.value}, stored)
}

// fits tells whether the namespace has room for a change, and says so in c.err if
// it has not. What is over makes room first.
func (s *Store) fits(n *space, c *change, stored *entry) (bool, error) {
	for {
		keys, total := n.get(keysCount), n.get(bytesCount)+size(c.key, c.value)
		if stored != nil {
			total -= size(c.key, stored.value)
		} else {
			keys++
		}
		if keys <= s.maxKeys && total <= s.maxBytes {
			return true, nil
		}
		purged, err := n.purge(math.MaxInt)
		if err != nil {
			return false, err
		}
		if purged == 0 {
			c.err = abi.Errorf(abi.CodeQuotaExceeded, "kv: the namespace holds %d keys and %d bytes; %d and %d are the most",
				n.get(keysCount), n.get(bytesCount), s.maxKeys, s.maxBytes).WithSuggestion("delete what is not needed, or store it with a ttl")
			return false, nil
		}
		if stored, err = n.stored(c.key); err != nil {
			return false, err
		}
	}
}

// expiry is when a value's time has passed; one too far away for the clock never
// comes.
func expiry(now int64, ttl time.Duration) int64 {
	if ttl <= 0 || now > math.MaxInt64-int64(ttl) {
		return 0
	}
	return now + int64(ttl)
}
