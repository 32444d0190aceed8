package plugins

import (
	"context"
	"io"

	"edge/abi"
)

// streamReader is the host's end of a body that a plugin sends in pieces:
// abi.Respond.Stream. A read returns one piece, or what is left of it, as soon
// as the plugin has written it. It ends with io.EOF only if the plugin ended it
// properly, else with an *abi.Error.
type streamReader struct {
	pipe *io.PipeReader
	x    *exchange
}

func (s *streamReader) Read(p []byte) (int, error) { return s.pipe.Read(p) }

// Close lets the plugin go: its writes answer CLOSED. The request is not
// touched any more when Close returns.
func (s *streamReader) Close() error {
	s.x.hangUp()
	err := s.pipe.CloseWithError(errOver) // a guest that learns of it finds the request gone already
	s.x.joinReads()
	return err
}

// streamWriter is the plugin's end. A write blocks until the reader has taken
// all of it: that is the back-pressure. The instance's loop alone uses the
// fields.
type streamWriter struct {
	pipe   *io.PipeWriter
	lane   lane // writes that were started follow each other
	queued int  // writes that were started and are not out yet
	ending bool // respond_end came; it takes effect when none is queued
	ended  bool
}

// begin makes the exchange's stream; the request's deadline breaks it off. It is
// nil if nobody waits for an answer any more.
func (x *exchange) begin() *streamReader {
	work := x.work()
	r, w := io.Pipe()
	x.mu.Lock()
	if work.Err() != nil {
		x.mu.Unlock()
		return nil
	}
	x.pipe = w
	x.mu.Unlock()
	x.stream = &streamWriter{pipe: w}
	if !x.gen.shape.async { // an asynchronous module is watched from the start
		x.watch(x.breakStream)
	}
	return &streamReader{pipe: r, x: x}
}

// breakStream ends the stream, if there is one, so that the client sees a broken
// connection. After the stream's proper end it changes nothing.
func (x *exchange) breakStream() {
	x.mu.Lock()
	pipe := x.pipe
	x.mu.Unlock()
	if pipe != nil {
		pipe.CloseWithError(x.gen.missed())
	}
}

// write sends one piece; p is not kept.
func (s *streamWriter) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := s.pipe.Write(p)
	if err != nil {
		return errOver
	}
	return nil
}

// end ends the body properly.
func (s *streamWriter) end() {
	s.ended = true
	_ = s.pipe.Close()
}

// breakOff ends an answer that the guest has not ended.
func (in *instance) breakOff(x *exchange, out outcome) {
	s := x.stream
	if s == nil || s.ended {
		return
	}
	in.gen.log().Warn("plugin broke its answer off before respond_end", "request", x.id)
	why := out.err
	if why == nil {
		why = in.gen.failure(nil)
	}
	_ = s.pipe.CloseWithError(why)
	s.ended = true
}

// lane makes calls that were started in some order run in that order. Only the
// instance's loop joins a lane; the zero lane is ready.
type lane struct {
	last chan struct{}
	told chan struct{} // of the last started call; see report
}

// place is one call's place in a lane, or, without a lane, anywhere.
type place struct {
	turn  <-chan struct{} // closed when the calls before have ended; nil: none
	leave chan struct{}
}

// join takes the next place. Whoever has it calls done at the end.
func (l *lane) join() place {
	if l == nil {
		return place{}
	}
	p := place{turn: l.last, leave: make(chan struct{})}
	l.last = p.leave
	return p
}

// report takes a started call's place in telling the guest: it learns that calls of
// one lane are complete in the order in which they were. It is apart from the places
// in the work, because a blocking call has the guest wait for those.
func (l *lane) report() place {
	if l == nil {
		return place{}
	}
	p := place{turn: l.told, leave: make(chan struct{})}
	l.told = p.leave
	return p
}

// await waits for the turn; the end of ctx may come first.
func (p place) await(ctx context.Context) error {
	if p.turn == nil {
		return nil
	}
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
		return abi.AsError(ctx.Err())
	}
}

// done lets the next one have its turn.
func (p place) done() {
	if p.leave != nil {
		close(p.leave)
	}
}
