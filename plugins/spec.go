package plugins

import (
	"encoding/json"
	"runtime"
	"time"
)

// Defaults of a Spec.
const (
	DefaultMemory       = 64 << 20
	DefaultDeadline     = 30 * time.Second
	DefaultCompute      = 5 * time.Second
	DefaultQueue        = 5 * time.Second
	DefaultResultBytes  = 8 << 20
	DefaultMaxInstances = 64
	DefaultMaxOpen      = 128
	DefaultKeepWarm     = 5 * time.Minute
	DefaultCanary       = time.Minute

	DefaultRollbackFailures = 3
	DefaultRollbackWithin   = time.Minute
)

// MaxMaxOpen is the most that Spec.MaxOpen may be.
const MaxMaxOpen = 4096

// Isolation says what of an instance one request leaves to the next.
type Isolation string

// The isolation modes.
const (
	IsolationPooled Isolation = "pooled" // everything; the default
	IsolationReset  Isolation = "reset"  // nothing: memory, globals and tables are as after edge_init
	IsolationFresh  Isolation = "fresh"  // nothing: each request has an instance of its own
)

// Spec is one plugin as configured.
type Spec struct {
	Name string
	// Source is the module's file.
	Source string
	// Digest, if set, is the SHA-256 in hexadecimal that the module must have.
	Digest string
	// SignedBy, if set, is the ed25519 public key (RFC 8032), 32 bytes, by which
	// the module's SHA-256 must be signed.
	SignedBy []byte

	Isolation Isolation
	// Memory bounds an instance's memory, in bytes, whole pages of 64 KiB; 4 GiB less
	// a page is the most.
	Memory uint64
	// Deadline bounds a request's execution, waiting included.
	Deadline time.Duration
	// Compute bounds how long the guest runs for one request, time in which it
	// waits for the host or for its turn not counted.
	Compute time.Duration
	// Fuel bounds what the guest executes for one request, in units of the meter
	// (about one instruction each); 0 is no bound.
	Fuel uint64
	// Queue bounds how long a request waits for an instance.
	Queue time.Duration
	// ResultBytes bounds the result of one host call.
	ResultBytes int
	// MinInstances are kept ready; MaxInstances bounds the instances; callers
	// beyond wait in line. 0 is as many as the module says for each processor, or
	// DefaultMaxInstances, and not less than MinInstances.
	MinInstances, MaxInstances int
	// MaxOpen bounds the requests that an instance of an asynchronous module holds at
	// once; those beyond are another instance's. Those that go on after their decision
	// are counted apart, up to four times as many. 0 is what the module says, or
	// DefaultMaxOpen.
	MaxOpen int
	// MaxParked bounds the instances whose guest waits in a host call; 0 is
	// MaxInstances.
	MaxParked int
	// MaxAge and MaxGrowth recycle an instance between two requests: so long after
	// it was made, and when its memory grew by so many bytes since. 0 is never.
	MaxAge    time.Duration
	MaxGrowth uint64

	// Canary is how a new generation takes over.
	Canary Canary
	// Rollback is when a new generation is given up.
	Rollback Rollback
	// KeepWarm is how long the previous generation stays ready to come back; a
	// negative one is no longer than Rollback needs it.
	KeepWarm time.Duration
	// Replay, if set, is a file of recorded requests that a new generation must
	// decide as they were decided.
	Replay string

	// Grants is what the plugin may use; nil is every sandbox, operation and port,
	// its own key-value namespace, and no host for fetch.
	Grants *Grants
	// Config is what config_get answers, JSON by key.
	Config map[string]json.RawMessage
	// Secrets is what secret_get answers. It is never logged nor recorded.
	Secrets map[string]string
	// Bindings are further names in the plugin's environment.
	Bindings Bindings
	// Development is told in the environment: a Worker then says in its answer what it
	// threw, to clients of the same machine.
	Development bool

	// ungranted has no import refused for want of a grant: Check has no
	// configuration to look at.
	ungranted bool
}

// Canary has a new generation serve a share of the requests at first. It is given
// up when it fails Rollback.Failures times (3 times, if rollbacks are off); time
// alone promotes it, however few the requests were.
type Canary struct {
	// Percent of the requests, 1 to 99; 0 swaps at once.
	Percent int
	// For is how long, until the rest follows; 0 is DefaultCanary.
	For time.Duration
}

// Rollback gives a new generation up: Failures of it (traps, negative answers,
// missed deadlines) within the first Within of its service bring the previous one
// back and quarantine its digest. What a guest answers with fail is no failure,
// and a deadline that passed because of a slow client does not count.
type Rollback struct {
	Failures int // 0 is DefaultRollbackFailures, a negative number never
	Within   time.Duration
}

// canaryBound is how many failures give a canary up.
func (r Rollback) canaryBound() int64 {
	if r.Failures < 0 {
		return DefaultRollbackFailures
	}
	return int64(r.Failures)
}

// warmth is how long the version before one of this specification stays ready:
// at least as long as that may be given up.
func (s Spec) warmth() time.Duration {
	if s.Rollback.Failures > 0 {
		return max(s.KeepWarm, s.Rollback.Within)
	}
	return s.KeepWarm
}

func (s Spec) withDefaults() Spec {
	if s.Memory == 0 {
		s.Memory = DefaultMemory
	}
	s.Memory = min(max(s.Memory, wasmPage), 1<<32-wasmPage) // wazero tells sizes in 32 bits
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&s.Deadline, DefaultDeadline}, {&s.Compute, DefaultCompute}, {&s.Queue, DefaultQueue}, {&s.Rollback.Within, DefaultRollbackWithin}, {&s.Canary.For, DefaultCanary}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if s.KeepWarm == 0 {
		s.KeepWarm = DefaultKeepWarm
	}
	if s.Rollback.Failures == 0 {
		s.Rollback.Failures = DefaultRollbackFailures
	}
	if s.ResultBytes <= 0 {
		s.ResultBytes = DefaultResultBytes
	}
	if s.Isolation == "" {
		s.Isolation = IsolationPooled
	}
	return s
}

// suit sets what the specification leaves to the module.
func (s *Spec) suit(m manifest) {
	if s.MaxInstances <= 0 {
		s.MaxInstances = DefaultMaxInstances
		if m.PerCore > 0 {
			s.MaxInstances = m.PerCore * runtime.GOMAXPROCS(0)
		}
		s.MaxInstances = max(s.MaxInstances, s.MinInstances)
	}
	if s.MaxParked <= 0 {
		s.MaxParked = s.MaxInstances
	}
	if s.MaxOpen <= 0 {
		s.MaxOpen = m.Open
	}
	if s.MaxOpen <= 0 {
		s.MaxOpen = DefaultMaxOpen
	}
	s.MaxOpen = min(s.MaxOpen, MaxMaxOpen)
}
