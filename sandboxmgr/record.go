package sandboxmgr

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"edge/abi"
)

// Keys of the store.
const (
	ownerKey       = "owner"       // this edge's random id
	sandboxPrefix  = "sandbox/"    // {binding}/{id} -> record
	exposurePrefix = "exposure/"   // {binding}/{id}/{port} -> exposureRecord
	highestPrefix  = "generation/" // {binding} -> the highest number of a destroyed sandbox
	activityKey    = "activity"    // {binding}/{id} -> when it was used last, of all sandboxes
)

// Sizes of the random names, in hex digits.
const (
	ownerLength   = 12
	runNameLength = 16
	tokenLength   = 32
)

// page is how many entries one List asks for.
const page = 500

// stateDestroying is recorded, and never shown, while a removal is under way.
const stateDestroying abi.State = "destroying"

// key names a sandbox.
type key struct{ binding, id string }

func (k key) String() string      { return k.binding + "/" + k.id }
func (k key) ref() abi.SandboxRef { return abi.SandboxRef{Binding: k.binding, ID: k.id} }
func (k key) record() string      { return sandboxPrefix + k.binding + "/" + k.id }
func (k key) highest() string     { return highestPrefix + k.binding }

// record is what is remembered of one sandbox.
type record struct {
	// State is starting, running, stopping, stopped, lost or destroying.
	State      abi.State `json:"state"`
	Generation int64     `json:"generation"`
	// RunDir and Token belong to the machine, not to the generation: an engine
	// fixes mounts and environment when it makes a machine, and a kept one is
	// started again. Empty when there is no machine.
	RunDir string `json:"runDir,omitempty"`
	Token  string `json:"token,omitempty"`
	// Runtime is the name of the runtime that has the machine.
	Runtime string `json:"runtime,omitempty"`
	// Machine is the machine's name when it is not made of the sandbox's: it
	// was started before it was anybody's.
	Machine string `json:"machine,omitempty"`
	// Was is the state that a start began from, "absent" for the first one, so
	// that a start of which nothing came leaves things as they were.
	Was abi.State `json:"was,omitempty"`
	// Boot is the id that the init of this generation chose.
	Boot           string     `json:"boot,omitempty"`
	StartedAt      time.Time  `json:"startedAt,omitzero"`
	LastActivityAt time.Time  `json:"lastActivityAt,omitzero"`
	EndedAt        time.Time  `json:"endedAt,omitzero"` // of a generation that has
	Exit           *exitState `json:"exit,omitempty"`
	// Why says why it does not run: "idle for 10m0s".
	Why string `json:"why,omitempty"`
	settings
}

// settings are what callers set, and what stays until the sandbox is destroyed.
// The maps are replaced, never changed.
type settings struct {
	// SleepAfter comes over the binding's; KeepAlive over both.
	SleepAfter abi.Duration `json:"sleepAfter,omitempty"`
	KeepAlive  bool         `json:"keepAlive,omitempty"`
	// Env is what the uses that started it gave, over the binding's variables;
	// Vars is what setEnvVars set, over both. nil unsets one.
	Env    map[string]string  `json:"env,omitempty"`
	Vars   map[string]*string `json:"vars,omitempty"`
	Labels map[string]string  `json:"labels,omitempty"`
}

// exitState is how a generation ended, as far as it is known.
type exitState struct {
	Code      int  `json:"code"`
	OOMKilled bool `json:"oomKilled,omitempty"`
}

// exitCode is the exit code of the last generation, or nil if nobody knows it.
func (r *record) exitCode() *int {
	if r.Exit == nil {
		return nil
	}
	code := r.Exit.Code
	return &code
}

// savedRecord is a record with its revision in the store.
type savedRecord struct {
	key
	record
	revision int64
}

// saveRecord writes r over revision (0: new) and returns the new one.
func (m *Manager) saveRecord(ctx context.Context, k key, r *record, revision int64) (int64, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("record of %s: %w", k, err)
	}
	rev, err := m.store.Commit(ctx, Change{Key: k.record(), Value: b, Expect: revision})
	if err != nil {
		return 0, fmt.Errorf("record of %s: %w", k, err)
	}
	return rev, nil
}

// dropRecord forgets a sandbox, and remembers for all of its binding that no
// generation up to its own is given again: handles of the destroyed one may
// still be about, and a tombstone for each id would grow for ever.
func (m *Manager) dropRecord(ctx context.Context, k key, generation, revision int64) error {
	for {
		highest, rev, err := m.highest(ctx, k)
		if err != nil {
			return err
		}
		changes := []Change{{Key: k.record(), Expect: revision}}
		if generation > highest {
			changes = append(changes, Change{Key: k.highest(), Value: fmt.Append(nil, generation), Expect: rev})
		}
		_, err = m.store.Commit(ctx, changes...)
		if err == nil {
			return nil
		}
		// Another sandbox of the binding may have raised the number meanwhile.
		if again, _, herr := m.highest(ctx, k); !errors.Is(err, ErrConflict) || herr != nil || again == highest {
			return fmt.Errorf("forget %s: %w", k, err)
		}
	}
}

// highest returns the highest generation of a destroyed sandbox of k's binding.
func (m *Manager) highest(ctx context.Context, k key) (generation, revision int64, err error) {
	e, err := m.store.Get(ctx, k.highest())
	switch {
	case errors.Is(err, ErrNoEntry):
		return 0, 0, nil
	case err != nil:
		return 0, 0, err
	}
	if _, err := fmt.Sscan(string(e.Value), &generation); err != nil {
		return 0, 0, fmt.Errorf("record %s: %w", k.highest(), err)
	}
	return generation, e.Revision, nil
}

// loadRecords reads every sandbox's record.
func loadRecords(ctx context.Context, store Store) ([]savedRecord, error) {
	var rs []savedRecord
	err := eachEntry(ctx, store, sandboxPrefix, func(e Entry) error {
		binding, id, ok := strings.Cut(strings.TrimPrefix(e.Key, sandboxPrefix), "/")
		r := savedRecord{key: key{binding, id}, revision: e.Revision}
		if err := json.Unmarshal(e.Value, &r.record); err != nil || !ok {
			return fmt.Errorf("record %s is damaged: %w", e.Key, err)
		}
		rs = append(rs, r)
		return nil
	})
	return rs, err
}

// eachEntry calls do for every entry below prefix.
func eachEntry(ctx context.Context, store Store, prefix string, do func(Entry) error) error {
	for after := ""; ; {
		es, err := store.List(ctx, prefix, after, page)
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		for _, e := range es {
			if err := do(e); err != nil {
				return err
			}
			after = e.Key
		}
		if len(es) < page {
			return nil
		}
	}
}

// Owner returns the id of the edge whose store it is, which its machines carry
// as LabelOwner; empty if no edge has used the store.
func Owner(ctx context.Context, store Store) (string, error) {
	e, err := store.Get(ctx, ownerKey)
	if errors.Is(err, ErrNoEntry) {
		return "", nil
	}
	return string(e.Value), err
}

// loadOwner returns this edge's id, choosing it the first time.
func loadOwner(ctx context.Context, store Store) (string, error) {
	e, err := store.Get(ctx, ownerKey)
	if err == nil {
		return string(e.Value), nil
	}
	if !errors.Is(err, ErrNoEntry) {
		return "", fmt.Errorf("owner id: %w", err)
	}
	owner := randomHex(ownerLength)
	if _, err := store.Commit(ctx, Change{Key: ownerKey, Value: []byte(owner), Expect: 0}); err != nil {
		return "", fmt.Errorf("owner id: %w", err)
	}
	return owner, nil
}

// randomHex returns n random hex digits; n is even. crypto/rand never fails.
func randomHex(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
