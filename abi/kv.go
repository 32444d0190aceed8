package abi

import (
	"time"
	"unicode/utf8"
)

// What kv does, by number.
const (
	KVGet    = 1
	KVSet    = 2
	KVDelete = 3
	KVList   = 4
)

// Bounds of the key-value store.
const (
	MaxKVKey       = 512       // bytes of a key
	MaxKVValue     = 256 << 10 // bytes of a value
	MaxKVBytes     = 64 << 20  // keys and values of a namespace
	MaxKVKeys      = 100_000   // keys of a namespace
	MaxKVPage      = 1000      // entries of one list
	DefaultKVLimit = 100
)

// KVSetOptions say when a value is stored and for how long.
type KVSetOptions struct {
	// TTL is how long the value lives; 0 is for ever.
	TTL Duration `json:"ttl,omitempty"`
	// IfRevision is the revision that the key must have, 0 that it must not exist;
	// nil is any.
	IfRevision *uint64 `json:"ifRevision,omitempty"`
}

// KVDeleteOptions say when a key is deleted.
type KVDeleteOptions struct {
	// IfRevision is as of KVSetOptions.
	IfRevision *uint64 `json:"ifRevision,omitempty"`
}

// KVListOptions choose a page of keys.
type KVListOptions struct {
	// After is the last key of the page before.
	After string `json:"after,omitempty"`
	// Limit is 100 by default and 1000 at most.
	Limit int `json:"limit,omitempty"`
}

// KVPage is a page of keys in the order of their bytes.
type KVPage struct {
	Entries []KVEntry `json:"entries"`
	More    bool      `json:"more"`
}

// KVEntry is one key of a KVPage.
type KVEntry struct {
	Key      string `json:"key"`
	Revision uint64 `json:"revision"`
	Size     int    `json:"size"` // of the value, in bytes
	// ExpiresAt is nil for a value that lives for ever.
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}

// KVConflict is the details of CONFLICT: the revision that the key has, 0 if it
// does not exist.
type KVConflict struct {
	Revision uint64 `json:"revision"`
}

// CheckKVKey returns INVALID_REQUEST for a string that is no key.
func CheckKVKey(key string) error {
	if key == "" || len(key) > MaxKVKey {
		return Errorf(CodeInvalidRequest, "kv: a key has 1 to %d bytes, not %d", MaxKVKey, len(key))
	}
	return CheckKVPrefix(key)
}

// CheckKVPrefix is CheckKVKey for the beginning of a key, which may be empty.
func CheckKVPrefix(prefix string) error {
	switch {
	case len(prefix) > MaxKVKey:
		return Errorf(CodeInvalidRequest, "kv: a prefix has at most %d bytes, not %d", MaxKVKey, len(prefix))
	case !utf8.ValidString(prefix):
		return Errorf(CodeInvalidRequest, "kv: the key %.100q is not UTF-8", prefix)
	}
	return nil
}

// CheckKVValue returns BODY_TOO_LARGE for a value that is too long.
func CheckKVValue(value []byte) error {
	if len(value) > MaxKVValue {
		return Errorf(CodeBodyTooLarge, "kv: a value has at most %d bytes, not %d", MaxKVValue, len(value))
	}
	return nil
}

// Check returns INVALID_REQUEST for a limit beyond the bounds, and puts the
// default in the place of 0.
func (o *KVListOptions) Check() error {
	if o.Limit == 0 {
		o.Limit = DefaultKVLimit
	}
	if o.Limit < 0 || o.Limit > MaxKVPage {
		return Errorf(CodeInvalidRequest, "kv: limit is %d, not 1 to %d", o.Limit, MaxKVPage)
	}
	return nil
}
