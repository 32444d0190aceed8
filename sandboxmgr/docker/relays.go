package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"

	"edge/sandboxmgr/initrelay"
)

// socketName is the edge's socket in MachineSpec.RunDir.
const socketName = "s"

// Pauses between two tries to get a relay through to a container.
const (
	firstRelayPause = 20 * time.Millisecond
	lastRelayPause  = 2 * time.Second
	// lasting is how long a relay stood that was worth one: after it the pauses
	// begin anew.
	lasting = 10 * time.Second
)

// relays are the relays of the containers that share no files with the edge, one
// for each, whoever holds it.
type relays struct {
	mu   sync.Mutex
	held map[string]*relayed // by container
}

// relayed is a container to which a relay is kept.
type relayed struct {
	holders int // guarded by relays.mu
	cancel  context.CancelFunc
	done    chan struct{}
}

// hold keeps a relay between the container's init and the socket in dir until
// release is called, which waits for its end if nobody else holds it.
func (s *relays) hold(r *Runtime, id string, initArgs []string, dir string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.held[id]
	if k == nil {
		ctx, cancel := context.WithCancel(context.Background())
		k = &relayed{cancel: cancel, done: make(chan struct{})}
		if s.held == nil {
			s.held = make(map[string]*relayed)
		}
		s.held[id] = k
		go r.keepRelay(ctx, id, initArgs, filepath.Join(dir, socketName), k.done)
	}
	k.holders++
	return sync.OnceFunc(func() { s.release(id, k) })
}

func (s *relays) release(id string, k *relayed) {
	s.mu.Lock()
	k.holders--
	last := k.holders == 0
	if last {
		delete(s.held, id)
	}
	s.mu.Unlock()
	if last {
		k.cancel()
		<-k.done
	}
}

// keepRelay runs one relay after the other: the program inside may be killed, and
// the engine or what leads to it may go away.
func (r *Runtime) keepRelay(ctx context.Context, id string, initArgs []string, socket string, done chan<- struct{}) {
	defer close(done)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for delay := firstRelayPause; ; delay = min(2*delay, lastRelayPause) {
		began := time.Now()
		err := r.relay(ctx, id, initArgs, socket)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > lasting {
			delay = firstRelayPause
		}
		r.log.Debug("a sandbox's relay ended; starting another", "container", id, "error", err)
		pause.Reset(delay)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// relay runs one relay in the container through the engine's exec, until that
// ends. It runs as a root without any privilege, so that the sandbox's own user
// can neither end it nor put a socket in its place.
func (r *Runtime) relay(ctx context.Context, id string, initArgs []string, socket string) error {
	var attached types.HijackedResponse
	err := r.call(ctx, callTimeout, func(ctx context.Context) error {
		res, err := r.client.ContainerExecCreate(ctx, id, container.ExecOptions{
			User: rootUser, WorkingDir: "/", Cmd: append(append([]string{initTarget}, initArgs...), initrelay.Command),
			AttachStdin: true, AttachStdout: true, AttachStderr: true,
		})
		if err == nil {
			attached, err = r.client.ContainerExecAttach(ctx, res.ID, container.ExecAttachOptions{})
		}
		return err
	})
	if err != nil {
		return err
	}
	stream := &execStream{HijackedResponse: attached, output: newOutput(attached.Reader)}
	err = initrelay.Join(ctx, stream, func(ctx context.Context) (*net.UnixConn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		return c.(*net.UnixConn), nil
	}, r.log)
	return errors.Join(err, stream.output.complaint())
}

// execStream is the standard input and output of an exec'd program.
type execStream struct {
	types.HijackedResponse
	output *output
}

func (s *execStream) Read(b []byte) (int, error)  { return s.output.Read(b) }
func (s *execStream) Write(b []byte) (int, error) { return s.Conn.Write(b) }

func (s *execStream) Close() error {
	s.HijackedResponse.Close()
	return nil
}

// output takes the standard output out of an engine's stream of both outputs, and
// keeps a little of the other. A frame of it is
//
//	u8 stream (1 output, 2 error), 3 zero bytes, u32 length (big-endian), bytes
//
// as the Engine API describes it under "attach to a container".
type output struct {
	r    *bufio.Reader
	left int // bytes of the frame that are still to come

	mu   sync.Mutex
	said []byte // guarded by mu
}

func newOutput(r io.Reader) *output { return &output{r: bufio.NewReader(r)} }

const (
	outputHead = 8
	streamOut  = 1
	streamErr  = 2
	// maxOutputFrame is far beyond what an engine puts into one frame.
	maxOutputFrame = 1 << 24
)

var errOutput = errors.New("the engine's stream is not one of frames")

// Read reads standard output only.
func (o *output) Read(b []byte) (int, error) {
	for o.left == 0 {
		var head [outputHead]byte
		if _, err := io.ReadFull(o.r, head[:]); err != nil {
			return 0, err
		}
		n := binary.BigEndian.Uint32(head[4:])
		if n > maxOutputFrame {
			return 0, fmt.Errorf("%w: %d bytes", errOutput, n)
		}
		switch head[0] {
		case streamOut:
			o.left = int(n)
		case streamErr:
			if err := o.keep(int(n)); err != nil {
				return 0, err
			}
		default:
			return 0, fmt.Errorf("%w: stream %d", errOutput, head[0])
		}
	}
	n, err := o.r.Read(b[:min(len(b), o.left)])
	o.left -= n
	return n, err
}

// keep reads n bytes of standard error and keeps the beginning of what came.
func (o *output) keep(n int) error {
	var b [256]byte
	for n > 0 {
		part := b[:min(n, len(b))]
		if _, err := io.ReadFull(o.r, part); err != nil {
			return err
		}
		o.mu.Lock()
		o.said = append(o.said, part[:min(len(part), maxComplaint-len(o.said))]...)
		o.mu.Unlock()
		n -= len(part)
	}
	return nil
}

// complaint is what the program printed to its standard error; nil if nothing.
func (o *output) complaint() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.said) == 0 {
		return nil
	}
	return fmt.Errorf("it printed %q", o.said)
}
