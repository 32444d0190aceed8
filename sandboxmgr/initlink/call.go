package initlink

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// Call has the init carry out op with req as its JSON request, and decodes the
// answer into resp (nil: dropped). It waits for a connection within ctx.
//
// The init is told ctx's deadline and has half a second more to answer what
// came of the call; cancelling ctx closes the connection at once, which cancels
// in the init. An *abi.Error that the init answers is returned as such, checked
// for what it may hold. Every other error wraps ErrClosed, ErrBroken, ErrLost,
// initproto.ErrProtocol or ctx's own error, and ErrUnsent too if the init has
// seen nothing of the call.
func (l *Link) Call(ctx context.Context, op string, req, resp any) error {
	body, err := initproto.EncodeBody(req)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if len(body) > initproto.MaxBody {
		return abi.Errorf(abi.CodeBodyTooLarge, "the request of %s is %d bytes long, at most %d can be sent", op, len(body), initproto.MaxBody)
	}
	if err := l.checkNewer(ctx, op, req); err != nil {
		return err
	}
	if takesLong(op) {
		if err := l.queue(ctx, l.long); err != nil {
			return fmt.Errorf("%s: %w: %w", op, ErrUnsent, err)
		}
		defer func() { <-l.long }()
	}
	if len(body) > initproto.LargeBody {
		if err := l.queue(ctx, l.large); err != nil {
			return fmt.Errorf("%s: %w: %w", op, ErrUnsent, err)
		}
		defer func() { <-l.large }()
	}
	x, err := l.begin(ctx, op, body)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", op, ErrUnsent, err)
	}
	answer, failure, err := x.answer()
	err = x.finish(err)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", op, err)
	case failure != nil:
		return foreignError(failure, answer)
	case resp == nil:
		return nil
	}
	if err := json.Unmarshal(answer, resp); err != nil {
		err = fmt.Errorf("%s: %w: answer: %v", op, initproto.ErrProtocol, err)
		l.violation(err)
		return err
	}
	return nil
}

// checkNewer refuses a request with a field that an init of version 1 would pass
// over in silence.
func (l *Link) checkNewer(ctx context.Context, op string, req any) error {
	var user, session string
	switch r := req.(type) {
	case *abi.ExecRequest:
		user, session = r.User, r.Session
	case *abi.StartProcessRequest:
		user, session = r.User, r.Session
	}
	if user == "" && session == "" {
		return nil
	}
	hello, err := l.Ready(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", op, ErrUnsent, err)
	}
	if hello.Version < initproto.StreamVersion {
		return errOlder(op, "has neither users nor sessions")
	}
	return nil
}

// errOlder is UNSUPPORTED of an init that an earlier edge started.
func errOlder(op, lack string) *abi.Error {
	return abi.Errorf(abi.CodeUnsupported, "%s: the sandbox was started by an earlier edge, whose init %s", op, lack).
		WithSuggestion("stop the sandbox and start it again; what it wrote stays as its persist says")
}

// takesLong tells whether a call lasts as long as its user likes.
func takesLong(op string) bool {
	switch op {
	case abi.Exec.Name(), abi.WaitForExit.Name(), abi.WaitForLog.Name(), abi.SearchFiles.Name(), abi.Checkout.Name():
		return true
	}
	return false
}

// queue waits until one more long or large call may be made.
func (l *Link) queue(ctx context.Context, calls chan<- struct{}) error {
	select {
	case calls <- struct{}{}:
		return nil
	case <-l.ended:
		return l.reason()
	case <-ctx.Done():
		return fmt.Errorf("wait for another call to end: %w", ctx.Err())
	}
}

// exchange is one call on one connection.
type exchange struct {
	link  *Link
	conn  *conn
	op    string
	ctx   context.Context
	stop  func() bool // ends the watch on ctx
	timed *timedReader
}

// begin sends the call. A connection whose other end had gone before all of the
// call was written is replaced: an init that has not read the End has done
// nothing.
func (l *Link) begin(ctx context.Context, op string, body []byte) (*exchange, error) {
	for try := 0; ; try++ {
		c, err := l.take(ctx)
		if err != nil {
			return nil, err
		}
		x := &exchange{link: l, conn: c, op: op, ctx: ctx, timed: &timedReader{conn: c, times: &l.times}}
		x.stop = context.AfterFunc(ctx, x.abandon)
		err = x.send(body)
		if err == nil {
			return x, nil
		}
		err = x.finish(err)
		if try == maxIdle || !errors.Is(err, ErrLost) {
			return nil, err
		}
	}
}

// abandon closes the connection when the caller went away. A deadline that
// passed is left to the reader, which gives the init its grace.
func (x *exchange) abandon() {
	if errors.Is(x.ctx.Err(), context.Canceled) {
		x.conn.UnixConn.Close()
	}
}

func (x *exchange) send(body []byte) error {
	call := initproto.Call{Op: x.op}
	if d, ok := x.ctx.Deadline(); ok {
		call.TimeoutMs = max(1, time.Until(d).Milliseconds())
		x.timed.by = d.Add(x.link.times.grace)
	}
	w := initproto.NewWriter(timedWriter{x.conn, x.link.times.write})
	w.Head(initproto.TypeCall, call)
	w.Body(body)
	return w.Flush()
}

// buffers are for reading answers; a parked connection holds none.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// answer reads Result, Data and End.
func (x *exchange) answer() ([]byte, *abi.Error, error) {
	br := buffers.Get().(*bufio.Reader)
	br.Reset(x.timed)
	defer func() { br.Reset(nil); buffers.Put(br) }()
	r := initproto.NewReader(br)
	var res initproto.Result
	if err := r.Head(initproto.TypeResult, initproto.MaxFrame, &res); err != nil {
		return nil, nil, err
	}
	body, err := r.Body(maxAnswer(x.op), nil)
	if err == nil && br.Buffered() > 0 {
		err = fmt.Errorf("%w: bytes after the answer", initproto.ErrProtocol)
	}
	return body, res.Error, err
}

// finish ends the exchange: it parks the connection after a nil error and
// drops it after any other, which it returns as what it means.
func (x *exchange) finish(err error) error {
	undisturbed := x.stop()
	if err == nil && undisturbed && x.conn.SetDeadline(time.Time{}) == nil {
		x.link.park(x.conn)
		return nil
	}
	x.link.drop(x.conn)
	if err == nil {
		return nil
	}
	return x.meaning(err)
}

// meaning tells why an exchange failed: the caller went away, the link ended,
// the init was late, broke the protocol or has gone.
func (x *exchange) meaning(err error) error {
	switch ended := x.link.reason(); {
	case ended != nil:
		return ended
	case errors.Is(x.ctx.Err(), context.Canceled):
		return x.ctx.Err()
	case errors.Is(err, initproto.ErrProtocol):
	case isTimeout(err) && x.timed.begun && !x.timed.between && x.late():
		return context.DeadlineExceeded // the rest was on its way: no breach of an init that sends
	case isTimeout(err) && x.timed.begun:
		err = fmt.Errorf("%w: the answer stalled", initproto.ErrProtocol)
	case isTimeout(err) && x.late():
		x.link.violation(fmt.Errorf("%s: no answer %s after the deadline", x.op, x.link.times.grace))
		return context.DeadlineExceeded
	case isTimeout(err):
		err = fmt.Errorf("%w: the init does not read", initproto.ErrProtocol)
	default:
		return fmt.Errorf("%w: %v", ErrLost, err)
	}
	x.link.violation(fmt.Errorf("%s: %w", x.op, err))
	return err
}

// late tells whether the caller's deadline has passed. Its context may not say so yet:
// that has a timer of its own beside the connection's.
func (x *exchange) late() bool {
	d, ok := x.ctx.Deadline()
	return ok && !time.Now().Before(d)
}

// timedReader bounds every read of an answer: the first byte may take until the
// call's own deadline, after it each piece must follow soon and the whole be
// there in time.
type timedReader struct {
	conn    *conn
	times   *timing
	by      time.Time // the latest moment for the answer; zero is none
	begun   bool
	between bool // the last read was bounded by what may lie between two pieces
}

func (t *timedReader) Read(p []byte) (int, error) {
	deadline := t.by
	if t.begun {
		soon := time.Now().Add(t.times.frame)
		if t.between = deadline.IsZero() || soon.Before(deadline); t.between {
			deadline = soon
		}
	}
	if !deadline.IsZero() {
		if err := t.conn.SetReadDeadline(deadline); err != nil {
			return 0, err
		}
	}
	n, err := t.conn.Read(p)
	if n > 0 && !t.begun {
		t.begun = true
		if t.by.IsZero() {
			t.by = time.Now().Add(t.times.answer)
		}
	}
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

// timedWriter bounds every write.
type timedWriter struct {
	conn    *conn
	timeout time.Duration
}

func (t timedWriter) Write(p []byte) (int, error) {
	if err := t.conn.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil {
		return 0, err
	}
	return t.conn.Write(p)
}
