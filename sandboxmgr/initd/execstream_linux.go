package initd

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"edge/abi"
)

// execStream runs a command and tells what it prints while it prints it. The end
// of ctx, or of the request's own timeout, kills the command and everything it
// has started. While the edge does not read, the command is held up by its pipes.
func (s *supervisor) execStream(ctx context.Context, req *abi.ExecStreamRequest, st *stream) error {
	if err := checkEncoding(req.Encoding); err != nil {
		return err
	}
	cmd, err := s.prepare(request{req.Command, req.Argv, req.Cwd, req.Env}, surroundings{session: req.Session, user: req.User})
	if err != nil {
		return err
	}
	r := &execRun{sup: s, stream: st, begun: make(chan struct{}), failed: make(chan error, 1)}
	for _, o := range []struct {
		to  *eventWriter
		typ abi.ExecEventType
	}{{&r.stdout, abi.ExecStdout}, {&r.stderr, abi.ExecStderr}} {
		*o.to = eventWriter{run: r, events: outputEvents{typ: o.typ, encoding: req.Encoding}}
	}
	return r.run(ctx, cmd, req)
}

// execRun is one run of execStream.
type execRun struct {
	sup            *supervisor
	stream         *stream
	child          *child
	pumps          []*pump
	stdout, stderr eventWriter
	begun          chan struct{} // closed when output may be told, or never will be
	failed         chan error    // gets what the edge sent wrong

	mu   sync.Mutex // held while an event is told, so that both streams' are in order
	over bool       // no more output is told
}

func (r *execRun) run(ctx context.Context, cmd *command, req *abi.ExecStreamRequest) error {
	ctx, cancel := context.WithTimeout(ctx, req.Timeout.Or(abi.DefaultExecTimeout))
	defer cancel()
	feed, err := r.launch(cmd, req.Stdin != "" || req.Input)
	if err != nil {
		return err
	}
	if feed != nil {
		defer feed.Close()
	}
	defer r.leave()
	if err := r.begin(); err != nil {
		r.kill(ctx)
		return err
	}
	if req.Stdin != "" && !req.Input {
		r.stream.attend(func() { feedAll(feed, req.Stdin) })
	}
	r.stream.attend(func() { r.listen(feed, req) })
	var wrong error
	select {
	case <-r.child.done:
	case wrong = <-r.failed:
	case <-ctx.Done():
	}
	ended := isClosed(r.child.done)
	if !ended {
		r.kill(ctx)
	}
	return r.finish(ctx, ended, wrong)
}

// launch starts the command, and returns the end of its standard input that is
// fed, if it has one.
func (r *execRun) launch(cmd *command, withInput bool) (feed *os.File, err error) {
	var in *os.File
	if withInput {
		if in, feed, err = os.Pipe(); err != nil {
			return nil, err
		}
		defer in.Close()
	}
	r.child, r.pumps, err = r.sup.launch(cmd, in, &r.stdout, &r.stderr)
	if err != nil && feed != nil {
		feed.Close()
	}
	return feed, err
}

// begin opens the stream and tells the start, before any output.
func (r *execRun) begin() error {
	defer close(r.begun)
	err := r.stream.Open()
	if err == nil {
		err = r.stream.Event(abi.ExecEvent{Type: abi.ExecStart, PID: r.child.pid})
	}
	if err != nil {
		r.close()
	}
	return err
}

func (r *execRun) kill(ctx context.Context) {
	r.sup.reaper.kill(ctx, []*child{r.child}, syscall.SIGKILL, 0)
}

// finish tells the last of the output and how the command ended: by itself, or
// killed because of its timeout, of a message that was wrong, or of nobody being
// there any more.
func (r *execRun) finish(ctx context.Context, ended bool, wrong error) error {
	duration := time.Since(r.child.started)
	if err := settleAll(r.stream.ctx, r.pumps); err != nil {
		return err
	}
	for _, w := range []*eventWriter{&r.stdout, &r.stderr} {
		if err := w.flush(); err != nil {
			return err
		}
	}
	r.close()
	switch {
	case ended:
	case wrong != nil:
		return wrong
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errTimedOut(duration)
	default:
		return errCallerGone()
	}
	code, signal := r.child.exit()
	return r.stream.Event(abi.ExecEvent{Type: abi.ExecExit, ExitCode: &code, Signal: signal, Duration: abi.Duration(duration)})
}

// close has output dropped from now on: of children that outlive the command.
func (r *execRun) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// leave lets go of what children that outlive the command still have.
func (r *execRun) leave() {
	r.close()
	for _, p := range r.pumps {
		p.leave()
	}
}

// feedAll writes the whole input of a command. It ends when the command has read
// it all, or when the file is closed.
func feedAll(f *os.File, text string) {
	_, _ = io.WriteString(f, text) // a command need not read its input
	f.Close()
}

// listen feeds the command what the edge sends, and signals it, until the stream
// ends. Whoever ends the run closes feed too.
func (r *execRun) listen(feed *os.File, req *abi.ExecStreamRequest) {
	if req.Input {
		_, _ = io.WriteString(feed, req.Stdin)
	}
	for {
		text, data, err := r.stream.Next()
		if err == io.EOF && req.Input {
			feed.Close()
		}
		if err != nil {
			return
		}
		switch {
		case text != nil:
			err = r.obey(text, feed, req.Input)
		case req.Input:
			_, _ = feed.Write(data)
		default:
			err = abi.Errorf(abi.CodeInvalidRequest, "input came for a command that was started without input")
		}
		if err != nil {
			r.failed <- err
			return
		}
	}
}

// obey does what a text message says.
func (r *execRun) obey(text []byte, feed *os.File, input bool) error {
	var in abi.StreamInput
	if err := json.Unmarshal(text, &in); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "the message is malformed: %v", err)
	}
	switch in.Type {
	case abi.InputEnd:
		if input {
			feed.Close()
		}
		return nil
	case abi.InputSignal:
		sig, err := parseSignal(in.Signal, defaultSignal)
		if err == nil {
			r.sup.reaper.signalGroup(r.child, sig) // false: it has ended
		}
		return err
	}
	return abi.Errorf(abi.CodeInvalidRequest, "a message of type %.40q: want \"end\" or \"signal\"", string(in.Type))
}

// eventWriter tells one stream of a command's output.
type eventWriter struct {
	run    *execRun
	events outputEvents // guarded by run.mu
}

// Write tells p, and waits while the edge does not read. It never fails: what
// nobody wants is dropped, so that the command's children are not disturbed.
func (w *eventWriter) Write(p []byte) (int, error) {
	<-w.run.begun
	n := len(p)
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	buf := pumpBuffers.Get().(*[]byte)
	defer pumpBuffers.Put(buf)
	for len(p) > 0 && !w.run.over {
		var event []byte
		event, p = w.events.next((*buf)[:0], p)
		w.run.over = w.run.tell(event) != nil
	}
	return n, nil
}

// flush tells what was held back.
func (w *eventWriter) flush() error {
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	return w.run.tell(w.events.last(nil))
}

func (r *execRun) tell(event []byte) error {
	if len(event) == 0 {
		return nil
	}
	return r.stream.text(event)
}
