package sandboxmgr

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"edge/abi"
)

// exposures is the table of live exposures, in memory, with a copy of each in
// the store. Labels are unique over all bindings: they share one domain.
type exposures struct {
	m *Manager
	// write is held by whoever changes the table, over the store's write too,
	// so that store and memory agree on the order of changes.
	write sync.Mutex
	// wake tells expire that the next expiry may be another one.
	wake chan struct{}

	// mu guards the rest, which only the holder of write changes.
	mu sync.RWMutex
	// byLabel has a digest of each label. Looking a label up by its bytes would
	// compare them up to the first that differs; of a digest nobody learns
	// anything by that.
	byLabel   map[[sha256.Size]byte]*savedExposure
	bySandbox map[key]map[int]*savedExposure
}

// savedExposure is an exposure with its label and its revision in the store. It
// is replaced, never changed.
type savedExposure struct {
	Exposure
	key      key
	label    string
	revision int64
}

// exposureRecord is what is remembered of an exposure; its key holds the rest.
type exposureRecord struct {
	Name      string     `json:"name,omitempty"`
	Token     string     `json:"token,omitempty"`
	Access    abi.Access `json:"access"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Policy    abi.Policy `json:"policy,omitzero"`
	Wake      abi.Wake   `json:"wake,omitempty"`

	MaxConnections int `json:"maxConnections,omitempty"`
}

func exposureKey(k key, port int) string {
	return exposurePrefix + k.String() + "/" + strconv.Itoa(port)
}

// loadExposures reads what is recorded; what has expired meanwhile is removed.
func loadExposures(ctx context.Context, m *Manager) (*exposures, error) {
	t := &exposures{
		m: m, wake: make(chan struct{}, 1),
		byLabel: map[[sha256.Size]byte]*savedExposure{}, bySandbox: map[key]map[int]*savedExposure{},
	}
	var expired []Change
	now := time.Now()
	err := eachEntry(ctx, m.store, exposurePrefix, func(e Entry) error {
		s, err := decodeExposure(e)
		if err != nil {
			return err
		}
		_, configured := m.config.Bindings[s.key.binding]
		switch {
		case s.expired(now):
			expired = append(expired, Change{Key: e.Key, Expect: e.Revision})
		case !configured: // as its sandbox, it is left alone
		case t.taken(s):
			m.log.Warn("an exposure is left out: another one has its name", "sandbox", s.key.String(), "port", s.Port)
		default:
			t.set(s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(expired) > 0 {
		if _, err := m.store.Commit(ctx, expired...); err != nil {
			return nil, fmt.Errorf("remove expired exposures: %w", err)
		}
	}
	return t, nil
}

func decodeExposure(e Entry) (*savedExposure, error) {
	var r exposureRecord
	parts := strings.Split(strings.TrimPrefix(e.Key, exposurePrefix), "/")
	if err := json.Unmarshal(e.Value, &r); err != nil || len(parts) != 3 {
		return nil, fmt.Errorf("record %s is damaged: %w", e.Key, err)
	}
	port, err := strconv.Atoi(parts[2])
	if err != nil {
		return nil, fmt.Errorf("record %s is damaged: %w", e.Key, err)
	}
	k := key{parts[0], parts[1]}
	return newSavedExposure(k, Exposure{
		Ref: k.ref(), Port: port, Name: r.Name, Token: r.Token, Access: r.Access,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, Policy: r.Policy, Wake: r.Wake,
		MaxConnections: r.MaxConnections,
	}, e.Revision), nil
}

func newSavedExposure(k key, e Exposure, revision int64) *savedExposure {
	return &savedExposure{Exposure: e, key: k, label: label(e.Port, k.id, e.Token), revision: revision}
}

func (s *savedExposure) expired(now time.Time) bool {
	return s.ExpiresAt != nil && !now.Before(*s.ExpiresAt)
}

// find returns the live exposure of a whole label.
func (t *exposures) find(label string) (Exposure, bool) {
	if len(label) > maxLabel {
		return Exposure{}, false
	}
	digest := sha256.Sum256([]byte(label))
	t.mu.RLock()
	s := t.byLabel[digest]
	t.mu.RUnlock()
	if s == nil || subtle.ConstantTimeCompare([]byte(s.label), []byte(label)) != 1 || s.expired(time.Now()) {
		return Exposure{}, false
	}
	return s.Exposure, true
}

// ofPort returns the live exposure of a sandbox's port.
func (t *exposures) ofPort(k key, port int) (Exposure, bool) {
	s := t.get(k, port)
	if s == nil || s.expired(time.Now()) {
		return Exposure{}, false
	}
	return s.Exposure, true
}

// ofSandbox returns a sandbox's live exposures, by port.
func (t *exposures) ofSandbox(k key) []Exposure {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var es []Exposure
	for _, s := range t.bySandbox[k] {
		if !s.expired(time.Now()) {
			es = append(es, s.Exposure)
		}
	}
	slices.SortFunc(es, func(a, b Exposure) int { return a.Port - b.Port })
	return es
}

func (t *exposures) get(k key, port int) *savedExposure {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bySandbox[k][port]
}

// taken tells whether another sandbox's port has the label.
func (t *exposures) taken(s *savedExposure) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.byLabel[sha256.Sum256([]byte(s.label))]
	return o != nil && (o.key != s.key || o.Port != s.Port)
}

// set puts s in the place of what the port had. t.write is held, or t is not
// shared yet.
func (t *exposures) set(s *savedExposure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(s.key, s.Port)
	t.byLabel[sha256.Sum256([]byte(s.label))] = s
	if t.bySandbox[s.key] == nil {
		t.bySandbox[s.key] = map[int]*savedExposure{}
	}
	t.bySandbox[s.key][s.Port] = s
}

// drop takes the port out of the table; t.mu is held.
func (t *exposures) drop(k key, port int) {
	if s := t.bySandbox[k][port]; s != nil {
		delete(t.byLabel, sha256.Sum256([]byte(s.label)))
		delete(t.bySandbox[k], port)
		if len(t.bySandbox[k]) == 0 {
			delete(t.bySandbox, k)
		}
	}
}

// put exposes a port, or exposes it again. An answer means that it is on disk;
// exposing again without a change writes nothing.
func (t *exposures) put(ctx context.Context, k key, req *abi.ExposePortRequest) (Exposure, error) {
	t.write.Lock()
	defer t.write.Unlock()
	now := time.Now()
	old := t.get(k, req.Port)
	if old != nil && old.expired(now) {
		if err := t.removeLocked(ctx, []*savedExposure{old}, closePolicy, "the exposure expired"); err != nil {
			return Exposure{}, err
		}
		old = nil
	}
	if old == nil {
		return t.add(ctx, k, req, now)
	}
	if req.IfExposed == ifExposedError {
		return Exposure{}, errAlreadyExposed(req.Port)
	}
	next, moved := old.revise(req, now)
	if next.same(&old.Exposure) {
		return next, nil
	}
	s := newSavedExposure(k, next, old.revision)
	if err := t.save(ctx, s); err != nil {
		return Exposure{}, err
	}
	if moved {
		t.m.config.Connections.CloseExposure(k.binding, k.id, req.Port, closePolicy, "the port was exposed under another URL")
	}
	return next, nil
}

// tokenTries is how many random tokens are tried; one never meets another's but
// by a user's choice of tokens and ids.
const tokenTries = 8

// add exposes a port that is not exposed.
func (t *exposures) add(ctx context.Context, k key, req *abi.ExposePortRequest, now time.Time) (Exposure, error) {
	e := Exposure{
		Ref: k.ref(), Port: req.Port, Name: req.Name, Token: req.Token, Access: req.Access,
		CreatedAt: now, ExpiresAt: expiry(req.TTL, now), Policy: req.Policy, Wake: req.Wake,
		MaxConnections: req.MaxConnections,
	}
	if e.Access == "" {
		e.Access = abi.AccessToken
	}
	for try := 1; ; try++ {
		random := req.Token == "" && e.Access == abi.AccessToken
		if random {
			e.Token = randomToken()
		}
		err := t.save(ctx, newSavedExposure(k, e, 0))
		if err == nil {
			t.warnShort(k, &e)
			url, _, err := t.m.config.Previews.urls(e.Port, k.id, e.Token)
			t.m.emit(k, EventExposed, 0, url)
			return e, err
		}
		if !random || try == tokenTries || !errors.Is(err, abi.CodePortAlreadyExposed.Err()) {
			return Exposure{}, err
		}
	}
}

func (t *exposures) warnShort(k key, e *Exposure) {
	if e.Access == abi.AccessToken && len(e.Token) < shortToken {
		t.m.log.Warn("an exposure's token is short enough to be guessed", "sandbox", k.String(), "port", e.Port, "characters", len(e.Token))
	}
}

// save checks that the URL can be built and is free, writes s to the store and
// puts it into the table. t.write is held.
func (t *exposures) save(ctx context.Context, s *savedExposure) error {
	if _, _, err := t.m.config.Previews.urls(s.Port, s.key.id, s.Token); err != nil {
		return err
	}
	if t.taken(s) {
		return errAlreadyExposed(s.Port) // whose it is stays unsaid
	}
	b, err := json.Marshal(exposureRecord{s.Name, s.Token, s.Access, s.CreatedAt, s.ExpiresAt, s.Policy, s.Wake, s.MaxConnections})
	if err != nil {
		return fmt.Errorf("record of an exposure: %w", err)
	}
	s.revision, err = t.m.store.Commit(ctx, Change{Key: exposureKey(s.key, s.Port), Value: b, Expect: s.revision})
	if err != nil {
		return fmt.Errorf("record of an exposure: %w", err)
	}
	t.set(s)
	t.nudge()
	return nil
}

func errAlreadyExposed(port int) *abi.Error {
	return abi.Errorf(abi.CodePortAlreadyExposed, "port %d is already exposed, or its URL is in use", port).
		WithSuggestion("leave ifExposed out to keep the URL there is, or choose another token")
}

// remove takes a port's exposure back, if there is one.
func (t *exposures) remove(ctx context.Context, k key, port int, reason string) error {
	t.write.Lock()
	defer t.write.Unlock()
	if s := t.get(k, port); s != nil {
		return t.removeLocked(ctx, []*savedExposure{s}, closePolicy, reason)
	}
	return nil
}

// removeSandbox takes all exposures of a sandbox back.
func (t *exposures) removeSandbox(ctx context.Context, k key) error {
	t.write.Lock()
	defer t.write.Unlock()
	t.mu.RLock()
	var all []*savedExposure
	for _, s := range t.bySandbox[k] {
		all = append(all, s)
	}
	t.mu.RUnlock()
	return t.removeLocked(ctx, all, closeRestart, "the sandbox was destroyed")
}

// removeLocked removes exposures from the store, from the table, and closes what
// came through them with the code: in this order, so that an exposure which is gone stays gone
// whatever happens next. t.write is held.
func (t *exposures) removeLocked(ctx context.Context, all []*savedExposure, code int, reason string) error {
	if len(all) == 0 {
		return nil
	}
	var changes []Change
	for _, s := range all {
		changes = append(changes, Change{Key: exposureKey(s.key, s.Port), Expect: s.revision})
	}
	if _, err := t.m.store.Commit(ctx, changes...); err != nil {
		return fmt.Errorf("remove exposures: %w", err)
	}
	t.mu.Lock()
	for _, s := range all {
		t.drop(s.key, s.Port)
	}
	t.mu.Unlock()
	for _, s := range all {
		t.m.config.Connections.CloseExposure(s.key.binding, s.key.id, s.Port, code, reason)
		t.m.emit(s.key, EventUnexposed, 0, fmt.Sprintf("%d: %s", s.Port, reason))
	}
	return nil
}

// tokenAlphabet has 36 letters; 16 of them are 82 bits.
const tokenAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// randomToken returns 16 letters of the alphabet, each as likely as any other.
func randomToken() string {
	const unbiased = 256 - 256%len(tokenAlphabet)
	token := make([]byte, 0, maxToken)
	var b [2 * maxToken]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		for _, c := range b {
			if int(c) < unbiased {
				if token = append(token, tokenAlphabet[int(c)%len(tokenAlphabet)]); len(token) == maxToken {
					return string(token)
				}
			}
		}
	}
}
