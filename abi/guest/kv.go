package guest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"iter"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Store is the plugin's key-value store. What it holds outlives requests, the
// plugin's versions and the edge itself; all instances see the same. Keys are
// UTF-8 of 1 to 512 bytes, values at most 256 KiB, and all of them together 64 MiB
// and 100,000 keys.
type Store struct{}

// KV returns the store. It can be used from the handler and from Init.
func KV() *Store { return new(Store) }

// Targets for errors.Is, of the store.
var (
	// ErrNoKey is Get's of a key that there is not, or whose time has passed.
	ErrNoKey = abi.CodeNotFound.Err()
	// ErrConflict is Set's and Delete's if the key has another revision than
	// IfRevision; ConflictRevision tells which.
	ErrConflict = abi.CodeConflict.Err()
)

// Get returns a key's value and its revision, or ErrNoKey.
func (s *Store) Get(key string) (value []byte, revision uint64, err error) {
	buf := make([]byte, 1024)
	b, err := s.call(abi.KVGet, key, nil, nil, buf)
	if err == nil && len(b) < 8 {
		err = meaning("kv get", abi.Internal)
	}
	if err != nil {
		return nil, 0, err
	}
	return b[8:], binary.LittleEndian.Uint64(b), nil
}

// Set stores a value, on disk when it returns, and returns its revision. Options
// are how long it lives, and for compare-and-swap the revision that the key must
// have.
func (s *Store) Set(key string, value []byte, opts ...KVSetOptions) (revision uint64, err error) {
	var options []byte
	if o := last(opts); o != (KVSetOptions{}) {
		if options, err = json.Marshal(o); err != nil {
			return 0, abi.Errorf(abi.CodeInvalidRequest, "kv set: %v", err)
		}
	}
	var buf [8]byte
	if _, err := s.call(abi.KVSet, key, value, options, buf[:]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(buf[:]), nil
}

// Delete removes a key; one that is not there is no error.
func (s *Store) Delete(key string, opts ...KVDeleteOptions) error {
	var options []byte
	if o := last(opts); o != (KVDeleteOptions{}) {
		var err error
		if options, err = json.Marshal(o); err != nil {
			return abi.Errorf(abi.CodeInvalidRequest, "kv delete: %v", err)
		}
	}
	_, err := s.call(abi.KVDelete, key, nil, options, nil)
	return err
}

// List returns a page of the keys with a prefix, in the order of their bytes.
func (s *Store) List(prefix string, opts ...KVListOptions) (*KVPage, error) {
	options, err := json.Marshal(last(opts))
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "kv list: %v", err)
	}
	b, err := s.call(abi.KVList, prefix, nil, options, make([]byte, 4096))
	if err != nil {
		return nil, err
	}
	page := new(KVPage)
	if err := json.Unmarshal(b, page); err != nil {
		return nil, abi.Errorf(abi.CodeInternal, "kv list: the host's answer cannot be read: %v", err)
	}
	return page, nil
}

// All goes through the keys with a prefix, page by page. An error is the last
// thing that it yields.
func (s *Store) All(prefix string) iter.Seq2[KVEntry, error] {
	return func(yield func(KVEntry, error) bool) {
		for opts := (KVListOptions{Limit: abi.MaxKVPage}); ; {
			page, err := s.List(prefix, opts)
			if err != nil {
				yield(KVEntry{}, err)
				return
			}
			for _, e := range page.Entries {
				if !yield(e, nil) {
					return
				}
				opts.After = e.Key
			}
			if !page.More {
				return
			}
		}
	}
}

// ConflictRevision returns the revision that a key has, 0 if there is none, of an
// ErrConflict. It is false for every other error.
func ConflictRevision(err error) (revision uint64, ok bool) {
	var e *Error
	if !errors.As(err, &e) || e.Code != abi.CodeConflict {
		return 0, false
	}
	var details abi.KVConflict
	ok = json.Unmarshal(e.Details, &details) == nil
	return details.Revision, ok
}

// Revision returns a pointer to n, for IfRevision. 0 is that of a key that there
// is not.
func Revision(n uint64) *uint64 { return &n }

// call does one thing with the store, within a request or without.
func (s *Store) call(verb uint32, key string, value, options, buf []byte) ([]byte, error) {
	req := instance.current.id()
	b, errno := collect(req, edge1.KV(req, verb, key, value, options, buf), buf)
	switch {
	case errno == abi.OK:
		return b, nil
	case req != 0:
		if e := lastError(req); e != nil && e.Code.Errno() == errno {
			return nil, e
		}
	}
	if errno == abi.Already {
		return nil, abi.Errorf(abi.CodeConflict, "kv: key %q has another revision", key)
	}
	return nil, meaning("kv", errno)
}
