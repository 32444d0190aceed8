package kv

import (
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// A namespace is a bucket with three in it. entries holds key -> revision (u64),
// expiry (i64, nanoseconds since the Unix epoch, 0: none), value; expiries holds
// expiry and key -> nothing, so that the earliest stands first; counts holds the
// newest revision ever given, and keys and bytes that entries holds. Numbers are
// big-endian. The key "k" with the value "v", written second and for ever:
//
//	6b -> 0000000000000002 0000000000000000 76
var (
	entriesBucket  = []byte("entries")
	expiriesBucket = []byte("expiries")
	countsBucket   = []byte("counts")

	revisionCount = []byte("revision")
	keysCount     = []byte("keys")
	bytesCount    = []byte("bytes")
)

const headBytes = 16 // of an entry, before its value

// space is a namespace within a transaction, at a moment. Its buckets are nil if
// nothing was ever written to it.
type space struct {
	now                       int64
	entries, expiries, counts *bolt.Bucket
}

// entry is one value; its bytes are the transaction's.
type entry struct {
	revision uint64
	expires  int64
	value    []byte
}

// size is what a key and its value count for.
func size(key, value []byte) uint64 { return uint64(len(key) + len(value)) }

// openSpace returns a namespace to read.
func openSpace(tx *bolt.Tx, namespace string, now time.Time) *space {
	n := &space{now: now.UnixNano()}
	if b := tx.Bucket([]byte(namespace)); b != nil {
		n.entries, n.expiries, n.counts = b.Bucket(entriesBucket), b.Bucket(expiriesBucket), b.Bucket(countsBucket)
	}
	return n
}

// makeSpace returns a namespace to write.
func makeSpace(tx *bolt.Tx, namespace string, now time.Time) (*space, error) {
	b, err := tx.CreateBucketIfNotExists([]byte(namespace))
	if err != nil {
		return nil, err
	}
	for _, name := range [][]byte{entriesBucket, expiriesBucket, countsBucket} {
		if _, err := b.CreateBucketIfNotExists(name); err != nil {
			return nil, err
		}
	}
	return openSpace(tx, namespace, now), nil
}

// entry returns a key's value, or nil if there is none whose time has not passed.
func (n *space) entry(key []byte) (*entry, error) {
	e, err := n.stored(key)
	if err != nil || e == nil || n.over(e) {
		return nil, err
	}
	return e, nil
}

// stored is entry with what was not purged yet.
func (n *space) stored(key []byte) (*entry, error) {
	if n.entries == nil {
		return nil, nil
	}
	v := n.entries.Get(key)
	if v == nil {
		return nil, nil
	}
	return decode(key, v)
}

func decode(key, v []byte) (*entry, error) {
	if len(v) < headBytes {
		return nil, fmt.Errorf("the entry %q is damaged: %d bytes", key, len(v))
	}
	return &entry{binary.BigEndian.Uint64(v), int64(binary.BigEndian.Uint64(v[8:])), v[headBytes:]}, nil
}

// over tells whether an entry's time has passed.
func (n *space) over(e *entry) bool { return e.expires != 0 && e.expires <= n.now }

// each calls f for the entries from a key on, in order, until it is false.
func (n *space) each(from []byte, f func(key []byte, e *entry) bool) error {
	if n.entries == nil {
		return nil
	}
	c := n.entries.Cursor()
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		e, err := decode(k, v)
		if err != nil {
			return err
		}
		if !n.over(e) && !f(k, e) {
			return nil
		}
	}
	return nil
}

// put stores an entry in the place of old, which may be nil.
func (n *space) put(key []byte, e, old *entry) error {
	if old != nil {
		if err := n.remove(key, old); err != nil {
			return err
		}
	}
	v := binary.BigEndian.AppendUint64(make([]byte, 0, headBytes+len(e.value)), e.revision)
	v = append(binary.BigEndian.AppendUint64(v, uint64(e.expires)), e.value...)
	if err := n.entries.Put(key, v); err != nil {
		return err
	}
	if e.expires != 0 {
		if err := n.expiries.Put(expiryKey(key, e.expires), nil); err != nil {
			return err
		}
	}
	return n.count(key, e.value, 1)
}

// remove takes an entry out.
func (n *space) remove(key []byte, e *entry) error {
	if e.expires != 0 {
		if err := n.expiries.Delete(expiryKey(key, e.expires)); err != nil {
			return err
		}
	}
	if err := n.count(key, e.value, -1); err != nil { // first: the value is the file's memory
		return err
	}
	return n.entries.Delete(key)
}

// count adds to keys and bytes, or takes away.
func (n *space) count(key, value []byte, sign int64) error {
	if err := n.set(keysCount, n.get(keysCount)+uint64(sign)); err != nil {
		return err
	}
	return n.set(bytesCount, n.get(bytesCount)+uint64(sign*int64(size(key, value))))
}

// get reads a number of counts.
func (n *space) get(name []byte) uint64 {
	if v := n.counts.Get(name); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (n *space) set(name []byte, v uint64) error {
	return n.counts.Put(name, binary.BigEndian.AppendUint64(nil, v))
}

func expiryKey(key []byte, expires int64) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), uint64(expires)), key...)
}

// purge takes out at most limit entries whose time has passed, and tells how many.
func (n *space) purge(limit int) (purged int, err error) {
	if n.expiries == nil {
		return 0, nil
	}
	for purged < limit {
		at, _ := n.expiries.Cursor().First()
		if len(at) < 8 || int64(binary.BigEndian.Uint64(at)) > n.now {
			return purged, nil
		}
		key := append([]byte(nil), at[8:]...) // the file's memory moves when it is written to
		e, err := n.stored(key)
		if err != nil {
			return purged, err
		}
		if e == nil {
			return purged, fmt.Errorf("the entry %q is missing", key)
		}
		if err := n.remove(key, e); err != nil {
			return purged, err
		}
		purged++
	}
	return purged, nil
}
