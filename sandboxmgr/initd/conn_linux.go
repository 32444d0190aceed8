package initd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"syscall"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

var errPanic = errors.New("operation panicked")

// maxText is how much of an error's text is sent.
const maxText = 4 << 10

// converse serves one connection, a call at a time, until it ends.
func (s *server) converse(ctx context.Context, c *net.UnixConn, version int) {
	defer s.wg.Done()
	defer s.hangUp(c)
	br := bufio.NewReaderSize(c, 4<<10)
	r, w := initproto.NewReader(br), initproto.NewWriter(c)
	for {
		var call initproto.Call
		err := r.Head(initproto.TypeCall, initproto.MaxFrame, &call)
		s.taken()
		if err != nil {
			s.logEnd(err)
			return
		}
		s.stirred(call.Op)
		var server *net.TCPConn
		if s.ops[call.Op].stream != nil && version >= initproto.StreamVersion {
			err = s.stream(ctx, c, r, w, call)
		} else {
			server, err = s.answer(ctx, c, r, w, call)
		}
		if call.Op == initproto.OpShutdown && s.sup.stopping.Load() {
			s.stop() // also when whoever asked has gone: nothing can be started any more
			return
		}
		if err != nil {
			s.logEnd(err)
			return
		}
		if server != nil {
			s.tunnelled()
			(&tunnel{edge: c, server: server}).carry()
			s.untunnelled()
			return
		}
		s.parked()
	}
}

// stirred notes that the edge has something done inside, for which it may be that a
// port opens.
func (s *server) stirred(op string) {
	switch op {
	case initproto.OpPing, initproto.OpListeningPorts, initproto.OpWatchPorts:
	default:
		s.sup.pace.stir()
	}
}

// logEnd tells why a connection ended, unless it is the edge's going away.
func (s *server) logEnd(err error) {
	if errors.Is(err, initproto.ErrProtocol) {
		s.log.Warn("the edge broke the protocol", "err", err)
	}
}

// answer reads a call's body, carries the call out and writes what came of it.
// For a tunnel it returns the connection to the port.
func (s *server) answer(ctx context.Context, c *net.UnixConn, r *initproto.Reader, w *initproto.Writer, call initproto.Call) (*net.TCPConn, error) {
	body, large, err := s.body(ctx, r)
	if large {
		defer s.large.give()
	}
	if err != nil {
		return nil, err
	}
	if call.Op == initproto.OpTunnel {
		return s.openTunnel(ctx, w, body)
	}
	if s.ops[call.Op].waits {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer watchHangup(c, cancel)()
	}
	result, failure := s.serve(ctx, call, body)
	err = writeAnswer(w, result, failure)
	if large || result != nil && result.size() > smallBody {
		// What it took is not left to the next collection: until then it counts
		// against the sandbox's memory limit.
		debug.FreeOSMemory()
	}
	return nil, err
}

// body reads a call's body. One that is large takes a place, which the caller
// gives back, also after an error.
func (s *server) body(ctx context.Context, r *initproto.Reader) (body []byte, large bool, err error) {
	body, err = r.Body(initproto.MaxBody, func(size int) error {
		if large || size <= smallBody {
			return nil
		}
		if err := s.large.take(ctx); err != nil {
			return err
		}
		large = true
		return nil
	})
	return body, large, err
}

// writeAnswer writes an answer or an error, whose details may be larger than a
// frame and so go where an answer goes: they are the result, if there is one.
func writeAnswer(w *initproto.Writer, result answer, failure *abi.Error) error {
	if failure != nil {
		head := *failure
		if result == nil {
			result = plainAnswer(head.Details)
		}
		head.Details = nil
		head.Message, head.Suggestion = shorten(head.Message), shorten(head.Suggestion)
		failure = &head
	}
	w.Head(initproto.TypeResult, initproto.Result{Error: failure})
	if err := result.send(w); err != nil {
		return err
	}
	return w.Flush()
}

func shorten(s string) string { return s[:min(len(s), maxText)] }

// openTunnel connects to the port and says so; an error is answered like any
// other, and the connection goes on being one for calls.
func (s *server) openTunnel(ctx context.Context, w *initproto.Writer, body []byte) (*net.TCPConn, error) {
	var req initproto.TunnelRequest
	err := json.Unmarshal(body, &req)
	if err != nil {
		err = abi.Errorf(abi.CodeInvalidRequest, "the request is malformed: %v", err)
	} else if !s.mayTunnel() {
		err = abi.Errorf(abi.CodeTooManyRequests, "%d tunnels are open, and no more are allowed", initproto.MaxTunnels)
	}
	var server *net.TCPConn
	if err == nil {
		server, err = dial(ctx, req.Port)
	}
	if err != nil {
		return nil, writeAnswer(w, nil, abi.AsError(err))
	}
	w.Head(initproto.TypeResult, initproto.Result{})
	if err := w.Flush(); err != nil {
		server.Close()
		return nil, err
	}
	return server, nil
}

// watchHangup has cancel called when the edge closes the connection, or sends
// something although it is not its turn. stop ends the watching, and nothing
// else; the connection can be read again after it.
func watchHangup(c *net.UnixConn, cancel context.CancelFunc) (stop func()) {
	done := make(chan struct{})
	go peekUntilHangup(c, cancel, done)
	return func() {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // fails only if c is closed, which ends the peeking too
		<-done
		_ = c.SetReadDeadline(time.Time{})
	}
}

func peekUntilHangup(c *net.UnixConn, cancel context.CancelFunc, done chan<- struct{}) {
	defer close(done)
	rc, err := c.SyscallConn()
	if err != nil {
		return
	}
	err = rc.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return err != syscall.EAGAIN && err != syscall.EINTR
	})
	if err == nil || errors.Is(err, net.ErrClosed) {
		cancel()
	}
}

// handshake introduces the init on a new connection and returns the version
// that is spoken there.
func (s *server) handshake(c *net.UnixConn) (version int, err error) {
	if err := c.SetDeadline(time.Now().Add(welcomeTimeout)); err != nil {
		return 0, err
	}
	w := initproto.NewWriter(c)
	w.Head(initproto.TypeHello, initproto.Hello{
		Min: initproto.MinVersion, Max: initproto.Version, Token: s.cfg.Token, Boot: s.cfg.Boot, Init: Release,
	})
	if err := w.Flush(); err != nil {
		return 0, err
	}
	var welcome initproto.Welcome
	if err := initproto.NewReader(c).Head(initproto.TypeWelcome, initproto.MaxHello, &welcome); err != nil {
		return 0, err
	}
	if welcome.Version < initproto.MinVersion || welcome.Version > initproto.Version {
		return 0, fmt.Errorf("%w: welcomed with version %d", initproto.ErrProtocol, welcome.Version)
	}
	return welcome.Version, c.SetDeadline(time.Time{})
}
