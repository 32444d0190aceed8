//go:build !wasip1

package guesttest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"edge/abi"
)

// KV is a key-value store in memory. The zero value is empty; it is not copied
// once it was used.
type KV struct {
	values   map[string]kvValue
	revision uint64
}

type kvValue struct {
	value    []byte
	revision uint64
	expires  time.Time // zero: never
}

// Put stores a value as the plugin would, and returns its revision.
func (k *KV) Put(key, value string) uint64 {
	return k.put(key, []byte(value), time.Time{})
}

// Value returns a key's value; it is false if there is none. One whose time has
// passed may still be there.
func (k *KV) Value(key string) (value string, found bool) {
	v, found := k.values[key]
	return string(v.value), found
}

func (k *KV) put(key string, value []byte, expires time.Time) uint64 {
	if k.values == nil {
		k.values = map[string]kvValue{}
	}
	k.revision++
	k.values[key] = kvValue{bytes.Clone(value), k.revision, expires}
	return k.revision
}

// KV implements edge1.Host.
func (b *border) KV(req, verb uint32, key string, value, options, buf []byte) uint64 {
	if req != 0 && !b.open(req) {
		return closed()
	}
	result, err := b.keyValue(verb, key, value, options)
	if err != nil {
		if req == 0 {
			return abi.Result(abi.AsError(err).Code.Errno(), 0)
		}
		return b.fail(err)
	}
	return b.give(buf, result)
}

func (b *border) keyValue(verb uint32, key string, value, options []byte) ([]byte, error) {
	check := abi.CheckKVKey
	if verb == abi.KVList {
		check = abi.CheckKVPrefix
	}
	if err := check(key); err != nil {
		return nil, err
	}
	now := b.host.now()
	maps.DeleteFunc(b.host.KV.values, func(_ string, v kvValue) bool { return !v.expires.IsZero() && !v.expires.After(now) })
	switch verb {
	case abi.KVGet:
		v, found := b.host.KV.values[key]
		if !found {
			return nil, abi.Errorf(abi.CodeNotFound, "kv: there is no key %.100q", key)
		}
		return append(binary.LittleEndian.AppendUint64(nil, v.revision), v.value...), nil
	case abi.KVSet:
		return b.host.KV.set(key, value, options, now)
	case abi.KVDelete:
		return nil, b.host.KV.delete(key, options)
	case abi.KVList:
		return b.host.KV.list(key, options)
	}
	return nil, abi.Errorf(abi.CodeInvalidRequest, "kv: there is no verb %d", verb)
}

// conflict compares the revision that a key must have with the one it has.
func (k *KV) conflict(key string, want *uint64) error {
	if has := k.values[key].revision; want != nil && *want != has {
		return abi.Errorf(abi.CodeConflict, "kv: key %.100q is at revision %d, not %d", key, has, *want).WithDetails(abi.KVConflict{Revision: has})
	}
	return nil
}

func (k *KV) set(key string, value, options []byte, now time.Time) ([]byte, error) {
	var opts abi.KVSetOptions
	if err := kvOptions(options, &opts); err != nil {
		return nil, err
	}
	if err := abi.CheckKVValue(value); err != nil {
		return nil, err
	}
	if err := k.conflict(key, opts.IfRevision); err != nil {
		return nil, err
	}
	var expires time.Time
	if opts.TTL > 0 {
		expires = now.Add(opts.TTL.D())
	}
	return binary.LittleEndian.AppendUint64(nil, k.put(key, value, expires)), nil
}

func (k *KV) delete(key string, options []byte) error {
	var opts abi.KVDeleteOptions
	if err := kvOptions(options, &opts); err != nil {
		return err
	}
	if err := k.conflict(key, opts.IfRevision); err != nil {
		return err
	}
	delete(k.values, key)
	return nil
}

func (k *KV) list(prefix string, options []byte) ([]byte, error) {
	var opts abi.KVListOptions
	if err := kvOptions(options, &opts); err != nil {
		return nil, err
	}
	if err := opts.Check(); err != nil {
		return nil, err
	}
	page := abi.KVPage{Entries: []abi.KVEntry{}}
	for _, key := range slices.Sorted(maps.Keys(k.values)) {
		if !strings.HasPrefix(key, prefix) || opts.After != "" && key <= opts.After {
			continue
		}
		if page.More = len(page.Entries) == opts.Limit; page.More {
			break
		}
		v := k.values[key]
		e := abi.KVEntry{Key: key, Revision: v.revision, Size: len(v.value)}
		if !v.expires.IsZero() {
			e.ExpiresAt = &v.expires
		}
		page.Entries = append(page.Entries, e)
	}
	return json.Marshal(page)
}

func kvOptions(options []byte, v any) error {
	if len(options) == 0 {
		return nil
	}
	if err := strict(options, v); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "kv: options: %s", abi.JSONReason(err))
	}
	return nil
}

// strict reads JSON as the edge does: a field that there is not is an error.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
