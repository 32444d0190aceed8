package initd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
	"edge/sandboxmgr/initrelay"
)

// errStreamOver ends a connection that was a stream.
var errStreamOver = errors.New("the stream is over")

// stream is the init's end of a stream. An operation opens it, sends and
// receives, and ends it by returning: nil is an end that went well. Until it is
// opened, an error is answered like any call's.
//
// The context that the operation got ends when the edge closes the connection,
// also while nobody calls Next, and when the init ends.
type stream struct {
	server  *server
	conn    *net.UnixConn
	r       *initproto.Reader
	w       *initproto.Writer
	ctx     context.Context
	cancel  context.CancelCauseFunc
	unwatch func()      // ends the watching for a hang-up before the opening
	opening *time.Timer // ends ctx if it is not opened in time; nil without a bound
	counted bool
	opened  bool

	send sync.Mutex // held while a frame is written

	in   chan message  // listen's; has room for a message and the error after it
	done chan struct{} // closed when listen has ended

	attending sync.WaitGroup // of attend

	// Next's alone.
	held   message // what the last Next returned
	failed error   // what Next returns from now on
}

// message is one frame from the edge, or the error that ends them.
type message struct {
	typ    initproto.Type
	body   []byte
	pooled *[]byte // what body lies in, if that goes back to pumpBuffers
	err    error
}

// stream carries out a streaming operation, and closes the connection unless the
// stream was never opened.
func (s *server) stream(ctx context.Context, c *net.UnixConn, r *initproto.Reader, w *initproto.Writer, call initproto.Call) error {
	body, large, err := s.body(ctx, r)
	if large {
		s.large.give() // a stream may last
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	st := &stream{server: s, conn: c, r: r, w: w, ctx: ctx, cancel: cancel, in: make(chan message, 2), done: make(chan struct{})}
	st.unwatch = watchHangup(c, func() { cancel(nil) })
	if call.TimeoutMs > 0 {
		st.opening = time.AfterFunc(time.Duration(call.TimeoutMs)*time.Millisecond, func() { cancel(context.DeadlineExceeded) })
	}
	failure := st.failure(call.Op, s.runStream(call.Op, body, st))
	if !st.opened {
		return st.refuse(failure)
	}
	st.close(failure)
	return errStreamOver
}

// runStream calls the operation.
func (s *server) runStream(op string, body []byte, st *stream) (err error) {
	defer func() {
		if r := recover(); r != nil { // process 1 must not end by a defect in one operation
			s.log.Error("operation panicked", "op", op, "panic", fmt.Sprint(r))
			err = errPanic
		}
	}()
	return s.ops[op].stream(st.ctx, body, st)
}

// failure is what the edge is told of the error that an operation returned.
func (s *stream) failure(op string, err error) *abi.Error {
	switch {
	case err == nil && !s.opened:
		err = errors.New("the operation ended before it opened its stream")
	case err == nil:
		return nil
	case s.ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = context.Cause(s.ctx) // it may have been the time to open it
	}
	failure := abi.AsError(err)
	if failure.Code == abi.CodeInternal && !errors.Is(err, errPanic) {
		s.server.log.Error("operation failed", "op", op, "err", err)
	}
	return failure
}

// Open tells the edge that the stream has begun; from now on it has no deadline.
// The error TOO_MANY_REQUESTS leaves it closed.
func (s *stream) Open() error {
	if !s.server.mayStream() {
		return abi.Errorf(abi.CodeTooManyRequests, "%d streams are open, and no more are allowed", initproto.MaxStreams).
			WithSuggestion("close one first")
	}
	s.counted = true
	s.settle()
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.w.Head(initproto.TypeResult, initproto.Result{})
	if err := s.w.Flush(); err != nil {
		return s.gone(err)
	}
	s.opened = true
	go s.listen()
	return nil
}

// settle ends what bounded the opening.
func (s *stream) settle() {
	if s.opening != nil {
		s.opening.Stop()
	}
	if s.unwatch != nil {
		s.unwatch()
		s.unwatch = nil
	}
}

// gone notes that the edge hung up.
func (s *stream) gone(err error) error {
	s.cancel(nil)
	return fmt.Errorf("%w: %w", context.Canceled, err)
}

// Event sends one text message with the JSON of v, which must not be longer than
// abi.MaxStreamText. It waits while the edge reads slowly. Event and Write may be
// called at the same time.
func (s *stream) Event(v any) error {
	b, err := initproto.EncodeBody(v)
	if err != nil {
		return err
	}
	return s.text(b)
}

// text sends one text message.
func (s *stream) text(b []byte) error {
	if len(b) > abi.MaxStreamText {
		return fmt.Errorf("an event of %d bytes", len(b))
	}
	return s.frame(initproto.TypeText, b)
}

// Write sends p in binary messages. It waits while the edge reads slowly.
func (s *stream) Write(p []byte) (int, error) {
	n := 0
	for piece := range slices.Chunk(p, abi.MaxStreamBinary) {
		if err := s.frame(initproto.TypeData, piece); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

func (s *stream) frame(typ initproto.Type, b []byte) error {
	s.send.Lock()
	defer s.send.Unlock()
	if _, err := initproto.WriteFrame(s.conn, typ, b); err != nil {
		return s.gone(err)
	}
	return nil
}

// Next returns the next message from the edge, a text or data; they are valid
// until it is called again. It waits for one, and the edge waits while nobody
// calls it. io.EOF means that the edge sends no more; every other error is the
// end of the connection.
func (s *stream) Next() (text, data []byte, err error) {
	if s.failed != nil {
		return nil, nil, s.failed
	}
	if s.held.typ != 0 {
		if s.held.pooled != nil {
			pumpBuffers.Put(s.held.pooled)
		}
		s.held = message{}
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // has listen go on
	}
	m := <-s.in
	switch {
	case m.err != nil:
		s.failed = m.err
		return nil, nil, m.err
	case m.typ == initproto.TypeEnd:
		s.failed = io.EOF
		return nil, nil, io.EOF
	}
	s.held = m
	if m.typ == initproto.TypeText {
		return m.body, nil, nil
	}
	return nil, m.body, nil
}

// attend runs f beside the operation: one that calls Next in a loop, for one. f
// must return when Next fails, which it does at the latest when the operation has
// returned and the connection was closed.
func (s *stream) attend(f func()) { s.attending.Go(f) }

// listen reads what the edge sends, one message at a time, until the connection
// ends. While a message waits to be taken and used, it watches for a hang-up.
func (s *stream) listen() {
	defer close(s.done)
	for {
		m := s.read()
		s.server.sup.pace.stir() // what is typed into a terminal starts programs
		s.in <- m                // never blocks: the one before was taken, and nothing follows an error
		if m.err != nil {
			s.cancel(nil)
			return
		}
		hungUp := initrelay.AwaitHangup(s.conn) // or until the next message is wanted
		if hungUp || s.conn.SetReadDeadline(time.Time{}) != nil {
			s.cancel(nil)
			s.in <- message{err: io.ErrUnexpectedEOF}
			return
		}
	}
}

// smallMessage is what a message takes without a buffer from the pool.
const smallMessage = 4 << 10

// read reads one message.
func (s *stream) read() (m message) {
	m.typ, m.body, m.err = s.r.Frame(func(n int) []byte {
		if n <= smallMessage {
			return make([]byte, n)
		}
		m.pooled = pumpBuffers.Get().(*[]byte)
		return *m.pooled
	})
	switch {
	case m.err == io.EOF:
		m.err = io.ErrUnexpectedEOF // without an End
	case m.err == nil && m.typ != initproto.TypeText && m.typ != initproto.TypeData && m.typ != initproto.TypeEnd:
		m.err = fmt.Errorf("%w: frame type %d in a stream", initproto.ErrProtocol, m.typ)
	}
	s.server.logEnd(m.err)
	return m
}

// refuse answers an operation that did not open its stream; the connection stays
// one for calls.
func (s *stream) refuse(failure *abi.Error) error {
	s.settle()
	if s.counted {
		s.server.unstreamed()
	}
	return writeAnswer(s.w, nil, failure)
}

// close ends an open stream: well, or with an error.
func (s *stream) close(failure *abi.Error) {
	typ, body := initproto.TypeEnd, []byte(nil)
	if failure != nil {
		typ, body = initproto.TypeResult, lastResult(failure)
	}
	_ = s.frame(typ, body) // fails only if the edge has gone
	s.conn.Close()
	<-s.done
	s.attending.Wait()
	s.server.unstreamed()
}

// lastResult is the Result of a stream that failed. Details that do not fit a
// frame are left out.
func lastResult(failure *abi.Error) []byte {
	e := *failure
	e.Message, e.Suggestion = shorten(e.Message), shorten(e.Suggestion)
	b, err := initproto.EncodeBody(initproto.Result{Error: &e})
	if err != nil || len(b) > initproto.MaxFrame {
		e.Details = nil
		b, _ = initproto.EncodeBody(initproto.Result{Error: &e}) // strings and numbers
	}
	return b
}
