package initlink

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// Open has the init begin a stream: req crosses as JSON, and what goes on is the
// Socket, which the caller closes; Close of the Link does as well. ctx bounds the
// opening alone. Errors are as those of Call; besides, it is UNSUPPORTED when the
// init is of a release without streams, and TOO_MANY_REQUESTS when
// initproto.MaxStreams are open.
//
// What the Socket's Receive returns is the caller's to keep. A text is one JSON
// object without a control character; the object's fields are whatever the
// sandbox says. Silence has no bound. A stream that failed ends with an
// *abi.Error, SANDBOX_EXITED if it was the init that went away.
//
// Send fails with *abi.SocketClosed once the init has ended the stream; only
// Receive tells how. A Send whose context ended after a part of the message was
// sent closes the Socket.
func (l *Link) Open(ctx context.Context, op string, req any) (abi.Socket, error) {
	body, err := initproto.EncodeBody(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if len(body) > initproto.MaxBody {
		return nil, abi.Errorf(abi.CodeBodyTooLarge, "the request of %s is %d bytes long, at most %d can be sent", op, len(body), initproto.MaxBody)
	}
	hello, err := l.Ready(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", op, ErrUnsent, err)
	}
	if hello.Version < initproto.StreamVersion {
		return nil, errOlder(op, "has no streams")
	}
	if l.streamsFull() {
		return nil, errTooManyStreams()
	}
	if len(body) > initproto.LargeBody {
		if err := l.queue(ctx, l.large); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", op, ErrUnsent, err)
		}
		defer func() { <-l.large }() // the init has read it when it answers
	}
	x, err := l.begin(ctx, op, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", op, ErrUnsent, err)
	}
	s, err := x.opened()
	var answered *abi.Error
	if err != nil && !errors.As(err, &answered) {
		err = fmt.Errorf("%s: %w", op, err)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// opened reads the Result of a call that opens a stream. What follows it is the
// stream's, so nothing beyond it is read.
func (x *exchange) opened() (*stream, error) {
	r := initproto.NewReader(x.timed)
	var res initproto.Result
	err := r.Head(initproto.TypeResult, initproto.MaxFrame, &res)
	if err == nil && res.Error != nil {
		details, err := r.Body(maxAnswer(x.op), nil)
		if err := x.finish(err); err != nil {
			return nil, err
		}
		return nil, foreignError(res.Error, details)
	}
	if err == nil && !x.stop() {
		err = x.ctx.Err()
	}
	if err == nil {
		err = x.conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, x.finish(err)
	}
	return x.link.stream(x.conn, x.op)
}

func errTooManyStreams() error {
	return abi.Errorf(abi.CodeTooManyRequests, "the sandbox's init has %d streams open already", initproto.MaxStreams)
}

func (l *Link) streamsFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams >= initproto.MaxStreams
}

// stream makes c a stream.
func (l *Link) stream(c *conn, op string) (*stream, error) {
	l.mu.Lock()
	err := l.err
	if err == nil && l.streams >= initproto.MaxStreams {
		err = errTooManyStreams()
	}
	if err == nil {
		c.use = useStream
		l.streams++
	}
	l.mu.Unlock()
	if err != nil {
		l.drop(c)
		return nil, err
	}
	s := &stream{link: l, conn: c, op: op}
	s.r = initproto.NewReader(bufio.NewReaderSize(streamReader{s}, streamBuffer))
	return s, nil
}

// streamBuffer is what a stream reads small messages with; large ones are read
// into place.
const streamBuffer = 4 << 10

// stream is the edge's end of a stream. It holds no message while nobody
// receives: what the init sends waits in the connection, and the init with it.
type stream struct {
	link *Link
	conn *conn
	op   string
	end  atomic.Pointer[ending] // set before the connection is closed here

	// Receive's alone.
	r   *initproto.Reader
	ctx context.Context // of the Receive that is under way
	by  time.Time       // when the frame that has come in part must be whole; zero is none
}

var _ abi.Socket = (*stream)(nil)

// ending is how a stream ended.
type ending struct{ err error }

// Receive returns the next message.
func (s *stream) Receive(ctx context.Context) (byte, []byte, error) {
	if err := s.orEnding(nil); err != nil {
		return 0, nil, err // not what was read before it was closed
	}
	stop, err := interruptible(ctx, s.conn.SetReadDeadline)
	if err != nil {
		return 0, nil, s.orEnding(err)
	}
	s.ctx, s.by = ctx, time.Time{}
	typ, b, err := s.r.Frame(newRoom)
	if stop() && isTimeout(err) {
		return 0, nil, s.orEnding(ctx.Err())
	}
	switch {
	case err != nil:
		return 0, nil, s.finish(s.meaning(err))
	case typ == initproto.TypeData:
		return abi.OpcodeBinary, b, nil
	case typ == initproto.TypeText && isObject(b):
		return abi.OpcodeText, b, nil
	}
	return 0, nil, s.finish(s.last(typ, b))
}

func newRoom(n int) []byte { return make([]byte, n) }

// interruptible has the end of ctx interrupt what waits on the deadline that set
// sets, until stop, which tells whether it came to that. ctx's error is returned
// if it has ended already.
func interruptible(ctx context.Context, set func(time.Time) error) (stop func() bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_ = set(time.Time{}) // fails only if the connection is closed, which reading and writing tell
	if ctx.Done() == nil {
		return func() bool { return false }, nil
	}
	done := make(chan struct{})
	undo := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = set(time.Unix(1, 0))
	})
	return func() bool {
		if undo() {
			return false
		}
		<-done
		return true
	}, nil
}

// streamReader reads a stream's connection: without a bound between two frames,
// with one inside a frame.
type streamReader struct{ s *stream }

func (r streamReader) Read(p []byte) (int, error) {
	s := r.s
	if s.r.Partial() {
		if s.by.IsZero() {
			s.by = time.Now().Add(s.link.times.frame)
		}
		if err := s.conn.SetReadDeadline(s.by); err != nil {
			return 0, err
		}
		if s.ctx.Err() != nil { // its interruption may just have been undone
			return 0, os.ErrDeadlineExceeded
		}
	}
	return s.conn.Read(p)
}

// last is the error that a stream ends with by what the init sent last.
func (s *stream) last(typ initproto.Type, b []byte) error {
	var res initproto.Result
	switch {
	case typ == initproto.TypeText:
		return s.breach(errors.New("a text that is not a JSON object on one line"))
	case typ == initproto.TypeResult && json.Unmarshal(b, &res) == nil && res.Error != nil:
		return foreignError(res.Error, res.Error.Details)
	case typ != initproto.TypeEnd:
		return s.breach(fmt.Errorf("frame type %d that does not belong into a stream", typ))
	}
	return &abi.SocketClosed{Code: normalClosure}
}

// Close codes (RFC 6455, section 7.4.1).
const (
	normalClosure   = 1000
	abnormalClosure = 1006
)

// meaning tells why a stream could not be read any further.
func (s *stream) meaning(err error) error {
	reason := s.link.reason()
	switch {
	case errors.Is(reason, ErrBroken):
		return s.failed(reason, abi.CodeSandboxExited, "the sandbox's init broke the protocol")
	case reason != nil:
		return s.failed(reason, abi.CodeRuntimeUnavailable, "the edge let go of the sandbox")
	case errors.Is(err, initproto.ErrProtocol):
		return s.breach(err)
	case isTimeout(err):
		return s.breach(errors.New("a message stalled"))
	}
	return s.failed(ErrLost, abi.CodeSandboxExited, "the sandbox's init went away")
}

// breach counts a violation and returns the error that the stream ends with.
func (s *stream) breach(err error) error {
	if !errors.Is(err, initproto.ErrProtocol) {
		err = fmt.Errorf("%w: %w", initproto.ErrProtocol, err)
	}
	s.link.violation(fmt.Errorf("stream %s: %w", s.op, err))
	return s.failed(err, abi.CodeSandboxExited, "the sandbox's init broke the protocol")
}

// failed is the error of a stream that did not end as the init meant it to: an
// *abi.Error for the caller, with the cause in it.
func (s *stream) failed(cause error, code abi.Code, what string) error {
	return fmt.Errorf("%w: %w", abi.Errorf(code, "%s during %s", what, s.op).WithStarted(abi.StartedYes), cause)
}

// finish closes the stream because of err and returns why it is closed: err, or
// what came before it.
func (s *stream) finish(err error) error {
	s.end.CompareAndSwap(nil, &ending{err})
	s.link.drop(s.conn)
	return s.orEnding(nil)
}

// orEnding returns why the stream is closed, or err if it is not.
func (s *stream) orEnding(err error) error {
	if e := s.end.Load(); e != nil {
		return e.err
	}
	return err
}

// Send sends one message and waits while the init does not read.
func (s *stream) Send(ctx context.Context, opcode byte, payload []byte) error {
	typ, err := messageType(opcode, payload)
	if err != nil || len(payload) == 0 { // no bytes say nothing
		return s.orEnding(err)
	}
	stop, err := interruptible(ctx, s.conn.SetWriteDeadline)
	if err != nil {
		return s.orEnding(err)
	}
	n, err := initproto.WriteFrame(s.conn.UnixConn, typ, payload)
	interrupted := stop() && isTimeout(err)
	switch {
	case err == nil:
		return nil
	case interrupted && n == 0:
		return s.orEnding(ctx.Err())
	case interrupted:
		return s.finish(ctx.Err())
	}
	// The stream is left open: what the init said last can still be received.
	return s.orEnding(&abi.SocketClosed{Code: abnormalClosure, Reason: "the stream has ended"})
}

// messageType checks a message that is to be sent.
func messageType(opcode byte, payload []byte) (initproto.Type, error) {
	typ, limit := initproto.TypeData, abi.MaxStreamBinary
	switch opcode {
	case abi.OpcodeText:
		typ, limit = initproto.TypeText, abi.MaxStreamText
	case abi.OpcodeBinary:
	default:
		return 0, abi.Errorf(abi.CodeInvalidRequest, "a message to a stream is text or binary, not of opcode %d", opcode)
	}
	switch {
	case len(payload) > limit:
		return 0, abi.Errorf(abi.CodeBodyTooLarge, "a message of %d bytes is more than the %d that a stream takes at once", len(payload), limit)
	case len(payload) == 0 && opcode == abi.OpcodeText:
		return 0, abi.Errorf(abi.CodeInvalidRequest, "a text message to a stream is a JSON object, not empty")
	}
	return typ, nil
}

// Close ends the stream at once, which cancels the operation inside. What was on
// its way is lost. Receive and Send fail with the code and the reason.
func (s *stream) Close(code int, reason string) error {
	_ = s.finish(&abi.SocketClosed{Code: code, Reason: reason})
	return nil
}
