package host

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
)

// sandboxes is what the server asks of the sandbox manager.
type sandboxes interface {
	sandbox(ref abi.SandboxRef) (sandbox, error)
	openStream(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error)
	Ready(ctx context.Context) error
	ExposureByLabel(label string) (sandboxmgr.Exposure, bool)
	ExposureByPath(port, key string) (sandboxmgr.Exposure, bool)
	StillExposed(e *sandboxmgr.Exposure) bool
	accessKeeper
}

// sandbox is what the server asks of one sandbox.
type sandbox interface {
	Ref() abi.SandboxRef
	Wake(ctx context.Context, wake abi.Wake, upgrade bool) (run sandboxmgr.Run, release func(), err error)
	DialRun(ctx context.Context, generation int64, port int) (net.Conn, error)
	Exposures() []sandboxmgr.Exposure
}

var _ sandbox = (*sandboxmgr.Sandbox)(nil)

// managed makes a *sandboxmgr.Manager a sandboxes.
type managed struct{ *sandboxmgr.Manager }

func (m managed) sandbox(ref abi.SandboxRef) (sandbox, error) {
	s, err := m.Sandbox(ref)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// dialer connects to one port of one run of a sandbox.
type dialer struct {
	box  sandbox
	port int
	run  sandboxmgr.Run
	// live, if set, tells whether the address that led here still exists.
	live func() bool
	// letSleep says that the run is not needed any more; until then it is kept
	// awake.
	letSleep func()

	mu    sync.Mutex
	first net.Conn // made by await, for the next dial
}

// newDialer returns a dialer for the sandbox's current run. If there is none, one
// is started if wake says so for a request, or for an upgrade. The wait for it is
// bounded by wake, and by limit unless that is 0. The caller releases the dialer,
// and calls letSleep when its connections are over.
func newDialer(ctx context.Context, box sandbox, port int, wake abi.Wake, upgrade bool, limit time.Duration) (*dialer, error) {
	bound := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		bound, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	run, release, err := box.Wake(bound, wake, upgrade)
	if err != nil {
		release()
		if ctx.Err() == nil && bound.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
			err = abi.Errorf(abi.CodeTimeout, "the sandbox did not start within %s", limit).WithStarted(abi.StartedMaybe)
		}
		return nil, err
	}
	return &dialer{box: box, port: port, run: run, letSleep: release}, nil
}

// dial connects; the connection is the caller's. It leads to the dialer's run and
// to no other: what is pooled or listed under a generation belongs to it.
func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	if err := d.admitted(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	c := d.first
	d.first = nil
	d.mu.Unlock()
	if c != nil {
		return c, nil
	}
	return d.box.DialRun(ctx, d.run.Generation, d.port)
}

// admitted tells whether the address that led here still leads here.
//
// The bridge lists an exchange before it dials, or takes a connection that it has,
// and a revocation takes the exposure away before it closes what is listed. Whoever
// still finds the exposure here is therefore closed by a revocation that comes later.
func (d *dialer) admitted() error {
	if d.live != nil && !d.live() {
		return errNoPreview()
	}
	return nil
}

// await tries a port that refused again until it answers, for at most wait. The
// error is the last refusal.
func (d *dialer) await(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	pause := 5 * time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for refusal := error(nil); ; {
		c, err := d.dial(ctx)
		if err == nil {
			d.mu.Lock()
			d.first = c
			d.mu.Unlock()
			return nil
		}
		if !isRefused(err) {
			if refusal != nil && ctx.Err() != nil {
				return refusal
			}
			return err
		}
		refusal = err
		select {
		case <-timer.C:
			pause = min(pause*3/2, 100*time.Millisecond)
			timer.Reset(pause)
		case <-d.run.Ended:
			return abi.Errorf(abi.CodeSandboxExited, "the sandbox ended before port %d answered", d.port)
		case <-ctx.Done():
			return refusal
		}
	}
}

// readySince tells whether the run can be used since t or later: by the caller's own
// doing, or by that of an operation or of another request. Who came while it was
// starting was not there earlier either.
func (d *dialer) readySince(t time.Time) bool { return d.run.Started || !d.run.Ready.Before(t) }

// ended tells whether the run is over. After a broken connection that news may
// still be on its way, so it is awaited for a moment.
func (d *dialer) ended() bool {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-d.run.Ended:
		return true
	case <-timer.C:
		return false
	}
}

// release closes a connection that nobody took.
func (d *dialer) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.first != nil {
		_ = d.first.Close()
		d.first = nil
	}
}

// upstreamKey names the pool of connections to a port of one run.
func upstreamKey(o bridge.Owner) string {
	var room [96]byte // for the longest binding and id
	return string(strconv.AppendInt(appendGenerationKey(room[:0], o.Binding, o.ID, o.Generation), int64(o.Port), 10))
}

// generationKey is what the pools' names of one run begin with.
func generationKey(binding, id string, generation int64) string {
	return string(appendGenerationKey(nil, binding, id, generation))
}

func appendGenerationKey(b []byte, binding, id string, generation int64) []byte {
	b = append(append(b, binding...), '/')
	b = append(append(b, id...), '/')
	return append(strconv.AppendInt(b, generation, 10), '/')
}
