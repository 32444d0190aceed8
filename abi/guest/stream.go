package guest

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"time"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// EventStream is an operation that goes on: events of type E, and for some bytes. It
// ends with the request; Close ends it before that, and with it what it began
// (the command of ExecStream, the terminal without an id).
type EventStream[E any] struct {
	socket *WebSocket
	op     string
}

// open begins the stream that a row of the table names.
func open[Req, E any](s *Sandbox, op *abi.StreamOperation[Req, E], in *Req) (*EventStream[E], error) {
	return openNamed[E](s, op.Name(), in)
}

func openNamed[E any](s *Sandbox, op string, in any) (*EventStream[E], error) {
	if err := s.live(op); err != nil {
		return nil, err
	}
	body, err := s.envelope(in)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "%s: %v", op, err)
	}
	errno, handle := abi.SplitResult(edge1.OpOpen(s.req.handle, op, body))
	if errno != abi.OK {
		return nil, failure(s.req.handle, op, errno)
	}
	return &EventStream[E]{&WebSocket{req: s.req, ws: handle, buf: make([]byte, 4096)}, op}, nil
}

// Open is Call for an operation that is a stream.
func (s *Sandbox) Open(operation string, request any) (*EventStream[json.RawMessage], error) {
	return openNamed[json.RawMessage](s, operation, request)
}

// untilDeadline lets a wait last as long as the request does.
const untilDeadline = math.MaxInt32 * time.Millisecond

// Next returns the next event, or bytes of a terminal or file, which are the
// caller's; one of the two is not nil. At the end it is io.EOF; a stream that
// failed ends with its *Error. It waits as long as the request may take.
func (s *EventStream[E]) Next() (event *E, data []byte, err error) {
	return s.NextWithin(untilDeadline)
}

// NextWithin is Next with a bound (0 only looks): ErrTimeout then, and nothing
// is lost.
func (s *EventStream[E]) NextWithin(timeout time.Duration) (event *E, data []byte, err error) {
	m, err := s.socket.Recv(timeout)
	var closed *SocketClosed
	switch {
	case errors.As(err, &closed) && closed.Code == closedWell:
		return nil, nil, io.EOF
	case err != nil:
		return nil, nil, err
	case m.Binary:
		return nil, m.Data, nil
	}
	event = new(E)
	if err := json.Unmarshal(m.Data, event); err != nil {
		return nil, nil, abi.Errorf(abi.CodeInternal, "%s: an event cannot be read: %v", s.op, err).WithStarted(abi.StartedYes)
	}
	return event, nil, nil
}

// object is Next where nothing but an event can come. What comes is the sandbox's
// word.
func (s *EventStream[E]) object() (*E, error) {
	event, _, err := s.Next()
	if err == nil && event == nil {
		err = abi.Errorf(abi.CodeInternal, "%s: the sandbox answered with bytes", s.op).WithStarted(abi.StartedYes)
	}
	return event, err
}

// closedWell is the close code of a stream that came to its end (RFC 6455,
// section 7.4.1).
const closedWell = 1000

// Write sends bytes: the standard input of ExecStream, what is typed into a
// terminal, a file's content. It blocks while the sandbox reads slowly.
func (s *EventStream[E]) Write(p []byte) (int, error) {
	for at := 0; at < len(p); at += abi.MaxStreamBinary {
		if err := s.socket.SendBinary(p[at:min(len(p), at+abi.MaxStreamBinary)]); err != nil {
			return at, err
		}
	}
	return len(p), nil
}

// Send sends a message other than bytes: a terminal's new size, a signal, the
// end of the input.
func (s *EventStream[E]) Send(in StreamInput) error {
	b, err := json.Marshal(&in)
	if err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "%s: %v", s.op, err)
	}
	return s.socket.SendText(string(b))
}

// CloseInput says that no more bytes will be written.
func (s *EventStream[E]) CloseInput() error { return s.Send(StreamInput{Type: abi.InputEnd}) }

// Close ends the stream. Closing what has ended is no error.
func (s *EventStream[E]) Close() error { return s.socket.Close(closedWell, "") }

// ExecStream runs a command with /bin/sh -c, or with an empty command the
// options' Argv, and tells what it prints while it prints it.
func (s *Sandbox) ExecStream(command string, opts ...ExecStreamOptions) (*EventStream[ExecEvent], error) {
	in := last(opts)
	if command != "" {
		in.Command = command
	}
	return open(s, abi.ExecStream, &in)
}

// Terminal opens a terminal, or comes back to one.
func (s *Sandbox) Terminal(opts ...TerminalOptions) (*EventStream[TerminalEvent], error) {
	in := last(opts)
	return open(s, abi.Terminal, &in)
}

// StreamLogs tells what a process printed, and with Follow what it prints.
func (s *Sandbox) StreamLogs(processID string, opts ...StreamLogsOptions) (*EventStream[LogEvent], error) {
	in := last(opts)
	in.ProcessID = processID
	return open(s, abi.StreamLogs, &in)
}

// Watch tells what changes in a folder, or with a file.
func (s *Sandbox) Watch(path string, opts ...WatchOptions) (*EventStream[WatchEvent], error) {
	in := last(opts)
	in.Path = path
	return open(s, abi.Watch, &in)
}

// WriteFileFrom writes a file of any size from r, making missing folders; a
// reader sees the old content or the new, never a part. Only Mode of the options
// is looked at.
func (s *Sandbox) WriteFileFrom(path string, r io.Reader, opts ...WriteFileOptions) (size int64, err error) {
	stream, err := open(s, abi.WriteFileStream, &abi.WriteFileStreamRequest{Path: path, Mode: last(opts).Mode})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{stream}, r, make([]byte, abi.MaxStreamBinary)); err != nil {
		return 0, err
	}
	if err := stream.CloseInput(); err != nil {
		return 0, err
	}
	done, err := stream.object()
	if err != nil {
		return 0, err
	}
	return done.Size, nil
}

// OpenFile begins to read a file of any size: what it is, and its bytes. The
// caller closes it.
func (s *Sandbox) OpenFile(path string, opts ...ReadFileStreamOptions) (*FileInfo, io.ReadCloser, error) {
	in := last(opts)
	in.Path = path
	stream, err := open(s, abi.ReadFileStream, &in)
	if err != nil {
		return nil, nil, err
	}
	info, err := stream.object()
	if err != nil {
		_ = stream.Close() // it has failed already
		return nil, nil, err
	}
	return info, &fileReader{stream: stream}, nil
}

// fileReader reads the bytes of a download.
type fileReader struct {
	stream *EventStream[FileInfo]
	rest   []byte
}

func (f *fileReader) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		_, data, err := f.stream.Next()
		if err != nil {
			return 0, err
		}
		f.rest = data
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *fileReader) Close() error { return f.stream.Close() }
