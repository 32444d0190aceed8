package initd

import (
	"context"

	"edge/abi"
)

// streamLogs tells what a process printed, and what it prints. It reads the rings
// at the pace of the edge: a slow one misses bytes, which it is told, and holds up
// nobody.
func (s *supervisor) streamLogs(ctx context.Context, req *abi.StreamLogsRequest, st *stream) error {
	if err := checkEncoding(req.Encoding); err != nil {
		return err
	}
	if req.Tail < 0 {
		return abi.Errorf(abi.CodeInvalidRequest, "tail %d is negative", req.Tail)
	}
	p, err := s.find(ctx, req.ProcessID)
	if err != nil {
		return err
	}
	at, err := parseCursor(req.Since, p.run)
	if err != nil {
		return err
	}
	f := &follower{
		process: p, stream: st, encoding: req.Encoding, at: at, more: make(chan struct{}, 1),
	}
	if req.Tail > 0 {
		f.at.out, f.at.err = p.stdout.tailFrom(at.out, req.Tail), p.stderr.tailFrom(at.err, req.Tail)
	}
	if err := st.Open(); err != nil {
		return err
	}
	if !req.Follow {
		return f.tellAll(p.over())
	}
	return f.follow(ctx)
}

// tailFrom returns where the last n lines begin, of those from offset on. It is
// offset itself when there are not that many and some are lost, so that the loss
// is told.
func (r *ring) tailFrom(offset int64, n int) int64 {
	from, to := r.span()
	start := r.lastLines(offset, n)
	if start == from && offset < from && from < to {
		return offset
	}
	return start
}

// follower is one reading of a process's rings.
type follower struct {
	process  *process
	stream   *stream
	encoding string
	at       cursor        // after what was told
	more     chan struct{} // has one when there may be more
}

// follow tells what there is and what comes, until the process has ended.
func (f *follower) follow(ctx context.Context) error {
	for _, r := range []*ring{f.process.stdout, f.process.stderr} {
		r.watch(f.more)
		defer r.unwatch(f.more)
	}
	for {
		over := f.process.over() // asked before reading: then all of it is there
		if err := f.tellAll(over); err != nil || over {
			return err
		}
		select {
		case <-f.more:
		case <-f.process.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tellAll tells what is in the rings, up to what is there now, and the exit if
// the process is over.
func (f *follower) tellAll(over bool) error {
	_, out := f.process.stdout.span()
	_, errs := f.process.stderr.span()
	for told := true; told; {
		one, err := f.tell(abi.LogStdout, f.process.stdout, &f.at.out, out, over)
		if err != nil {
			return err
		}
		two, err := f.tell(abi.LogStderr, f.process.stderr, &f.at.err, errs, over)
		if err != nil {
			return err
		}
		told = one || two
	}
	if !over {
		return nil
	}
	code, signal := f.process.child.exit()
	return f.stream.Event(abi.LogEvent{Type: abi.LogExit, Cursor: f.at.String(), ExitCode: &code, Signal: signal})
}

// tell tells one event of a stream, from at on and not beyond end, and moves at.
// It returns false if there is nothing to tell. A character that has come in part
// is left, unless nothing follows it any more.
func (f *follower) tell(typ abi.LogEventType, r *ring, at *int64, end int64, last bool) (bool, error) {
	if *at >= end {
		return false, nil
	}
	buf := pumpBuffers.Get().(*[]byte)
	defer pumpBuffers.Put(buf)
	data, from := r.piece(*buf, *at, end)
	text := f.encoding != encodingBase64
	if from > *at && text { // the cut may have gone through a character
		n := continuation(data)
		data, from = data[n:], from+int64(n)
	}
	if from > *at {
		lost := from - *at
		*at = from
		return true, f.stream.Event(abi.LogEvent{Type: abi.LogDropped, Cursor: f.at.String(), Dropped: lost})
	}
	if text && !(last && *at+int64(len(data)) == end) {
		if data = wholeRunes(data); len(data) == 0 {
			return false, nil
		}
	}
	return true, f.data(typ, at, data)
}

// cursorRoom is more than what stands after the data of an event.
const cursorRoom = 128

// data tells an event with as much of data as fits.
func (f *follower) data(typ abi.LogEventType, at *int64, data []byte) error {
	buf := pumpBuffers.Get().(*[]byte)
	defer pumpBuffers.Put(buf)
	const limit = abi.MaxStreamText - cursorRoom
	b := beginEvent((*buf)[:0], string(typ))
	rest := data
	if f.encoding == encodingBase64 {
		b, rest = appendBase64(b, data, limit)
	} else {
		var text textEncoder
		b, rest = text.append(b, data, limit)
		b = text.flush(b)
	}
	*at += int64(len(data) - len(rest))
	b = append(append(append(b, `","cursor":"`...), f.at.String()...), eventEnd...)
	return f.stream.text(b)
}
