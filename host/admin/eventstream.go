package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"edge/abi"
)

// events carries a stream of events as server-sent events (WHATWG HTML, section
// 9.2): the event's type is its "type", its id the cursor from which the stream
// can go on, its data the JSON. A failure after the beginning is an event
// "error"; the end of the body is the end of the stream.
func (x *exchange) events() error {
	release, err := x.takeStream()
	if err != nil {
		return err
	}
	defer release()
	body, err := x.request()
	if err != nil {
		return err
	}
	if last := x.r.Header.Get("Last-Event-ID"); last != "" {
		if body, err = resume(x.address.row, body, last); err != nil {
			return err
		}
	}
	ctx, cancel := x.endless()
	defer cancel(nil)
	sock, err := x.s.Operations.Open(ctx, x.address.row.Name(), body)
	x.shrink()
	if err != nil {
		return err
	}
	defer sock.Close(closeGoingAway, "")
	join := x.cutWrites(ctx)
	defer join()
	out := newEventWriter(x)
	for {
		opcode, msg, err := x.receive(ctx, sock, out.comment)
		if err == nil && opcode != abi.OpcodeText {
			err = errUnexpected
		}
		if err == nil {
			if err = out.relay(msg); err == nil {
				continue
			}
		}
		if e := x.streamError(ctx, err); e != nil {
			out.fail(e)
		}
		return nil
	}
}

// resume has the operation go on after the event with that id. The end of the
// log that was asked for first does not count any more.
func resume(row abi.Row, body json.RawMessage, last string) (json.RawMessage, error) {
	if !textFields(reflect.TypeOf(row.NewRequest()).Elem())["since"] {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "header Last-Event-ID: events of %s have no ids to go on from", row.Name())
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the body is not one JSON object%s", because(err))
	}
	since, err := json.Marshal(last)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "header Last-Event-ID: %v", err)
	}
	fields["since"] = since
	delete(fields, "tail")
	return json.Marshal(fields)
}

// eventWriter writes server-sent events, each flushed.
type eventWriter struct {
	x   *exchange
	buf bytes.Buffer
}

// newEventWriter begins the answer.
func newEventWriter(x *exchange) *eventWriter {
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	x.writeHeader(http.StatusOK)
	_ = x.control.Flush()
	return &eventWriter{x: x}
}

// comment is the sign of life.
func (e *eventWriter) comment() error {
	e.buf.WriteString(": keep-alive\n\n")
	return e.flush()
}

// relay writes an event that came from a sandbox.
func (e *eventWriter) relay(msg []byte) error {
	name, id, data, err := frame(msg)
	if err != nil {
		return err
	}
	return e.event(name, id, data)
}

// frame reads an event's type and cursor, and puts its JSON on one line. What is
// no JSON object does not pass.
func frame(msg []byte) (name, id string, data []byte, err error) {
	var of struct {
		Type   json.RawMessage `json:"type"`
		Cursor json.RawMessage `json:"cursor"`
	}
	var line bytes.Buffer
	if err := json.Unmarshal(msg, &of); err != nil {
		return "", "", nil, errUnexpected
	}
	if err := json.Compact(&line, msg); err != nil || line.Bytes()[0] != '{' {
		return "", "", nil, errUnexpected
	}
	return text(of.Type), text(of.Cursor), line.Bytes(), nil
}

// text is the string that b is as JSON, or "".
func text(b json.RawMessage) string {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return ""
	}
	return s
}

// event writes one event.
func (e *eventWriter) event(name, id string, data []byte) error {
	writeEvent(&e.buf, name, id, data)
	return e.flush()
}

// writeEvent writes an event's lines. What would break them is left out: types
// and ids have no control characters.
func writeEvent(buf *bytes.Buffer, name, id string, data []byte) {
	field(buf, "event", name)
	field(buf, "id", id)
	buf.WriteString("data: ")
	buf.Write(data)
	buf.WriteString("\n\n")
}

func field(buf *bytes.Buffer, name, value string) {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' }) {
		return
	}
	buf.WriteString(name + ": " + value + "\n")
}

// fail writes the error as the last event.
func (e *eventWriter) fail(err *abi.Error) {
	_ = e.event("error", "", Failure{err}.marshal())
}

// flush sends what was written, and blocks while the client reads slowly.
func (e *eventWriter) flush() error {
	n, err := e.x.w.Write(e.buf.Bytes())
	e.x.out.Add(int64(n))
	e.buf.Reset()
	if err == nil {
		err = e.x.control.Flush()
	}
	if err != nil {
		return errClientGone
	}
	return nil
}
