package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"edge/abi"
)

// endOfInput ends the bytes of an upload.
var endOfInput = []byte(`{"type":"` + string(abi.InputEnd) + `"}`)

// upload sends the request's body into a stream, piece by piece as the sandbox
// takes it, and answers with the stream's answer. The operation's fields are in
// the query. A body that breaks off is not ended towards the sandbox, and so
// leaves what was there.
func (x *exchange) upload() error {
	release, err := x.takeStream()
	if err != nil {
		return err
	}
	defer release()
	if x.r.Method == http.MethodPost { // a body of JSON would be written to the file
		if err := checkType(x.r.Header, "application/octet-stream"); err != nil {
			return err
		}
	} else if err := checkType(http.Header{"Content-Encoding": x.r.Header["Content-Encoding"]}); err != nil {
		return err
	}
	request, err := queryRequest(x.address, x.r.URL.RawQuery)
	if err != nil {
		return err
	}
	// A client that waits with the bytes (Expect: 100-continue) is told to send
	// them by the first read below: a refusal comes first.
	sock, err := x.s.Operations.Open(x.ctx, x.address.row.Name(), request)
	if err != nil {
		return err
	}
	answer, err := x.send(sock)
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, answer)
}

// send sends the body and returns the answer. It closes the socket.
func (x *exchange) send(sock abi.Socket) (json.RawMessage, error) {
	ctx, cancel := context.WithCancelCause(x.ctx)
	defer cancel(nil)
	got := make(chan uploadEnd, 1)
	go awaitUpload(ctx, cancel, sock, got)
	sent := x.sendBody(ctx, sock)
	if errors.Is(sent, errEndedEarly) {
		// Why it ended is about to be received, unless only the sending failed.
		late := time.AfterFunc(x.s.pace.close, func() { cancel(nil) })
		defer late.Stop()
	} else if sent != nil {
		_ = sock.Close(closeGoingAway, "")
		cancel(nil)
	}
	end := <-got
	_ = sock.Close(closeNormal, "")
	switch {
	case sent != nil && !errors.Is(sent, errEndedEarly):
		return nil, sent
	case end.err != nil:
		if e := x.streamError(x.ctx, end.err); e != nil {
			return nil, e
		}
		return nil, errUnexpected
	case sent != nil:
		return nil, errUnexpected
	}
	return end.answer, nil
}

// uploadEnd is how an upload ended, as the sandbox says.
type uploadEnd struct {
	answer json.RawMessage
	err    error
}

// awaitUpload waits for the stream's answer, and stops the sending when the
// stream ends before that: a full disk is told at once.
func awaitUpload(ctx context.Context, stop context.CancelCauseFunc, sock abi.Socket, got chan<- uploadEnd) {
	var end uploadEnd
	opcode, msg, err := sock.Receive(ctx)
	switch {
	case err != nil:
		end.err = err
	case opcode != abi.OpcodeText || !json.Valid(msg):
		end.err = errUnexpected
	default:
		end.answer = json.RawMessage(msg)
	}
	if end.err != nil {
		stop(errEndedEarly)
	}
	got <- end
}

// errEndedEarly: the sandbox ended the stream, and awaitUpload knows why.
var errEndedEarly = errors.New("the stream ended before the upload")

// sendBody sends the body and its end. ctx ends when the stream or the request
// does.
func (x *exchange) sendBody(ctx context.Context, sock abi.Socket) error {
	body, done := x.bodyReader(ctx, x.s.pace.upload)
	whole := false
	defer func() { done(whole) }()
	buf := make([]byte, abi.MaxStreamBinary)
	for {
		n, err := fill(body, buf)
		x.in.Add(int64(n))
		opcode, piece := abi.OpcodeBinary, buf[:n]
		if err != nil && err != io.EOF {
			if cause := context.Cause(ctx); cause == errEndedEarly {
				return cause
			}
			return x.bodyError(err)
		}
		if n == 0 {
			opcode, piece, whole = abi.OpcodeText, endOfInput, true
		}
		if serr := sock.Send(ctx, opcode, piece); serr != nil {
			return errEndedEarly // or the request's end, which is the stream's then
		}
		if n == 0 {
			return nil
		}
	}
}

// fill reads until buf is full or there is no more: a piece in flight is one
// message. Only the end without a byte is io.EOF.
func fill(r io.Reader, buf []byte) (int, error) {
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		switch {
		case err == io.EOF && n > 0:
			return n, nil
		case err != nil:
			return n, err
		}
	}
	return n, nil
}
