package remote

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"edge/abi"
)

type eventsCommand struct {
	Connection
	Output
	Sandbox string `arg:"" optional:"" complete:"sandbox" help:"[BINDING/]ID; default all."`
}

// Run prints what happens to sandboxes, until it is interrupted.
func (v *eventsCommand) Run(ctx context.Context, env *Env) error {
	c, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	query := ""
	if v.Sandbox != "" {
		ref, err := c.resolve(ctx, v.Sandbox)
		if err != nil {
			return err
		}
		query = "?" + url.Values{"binding": {ref.Binding}, "id": {ref.ID}}.Encode()
	}
	resp, err := c.do(ctx, http.MethodGet, "/v1/events"+query, http.Header{"Accept": {"text/event-stream"}}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	show := printEvent
	if v.json() {
		show = printEventJSON
	}
	if err := readEvents(resp.Body, func(data []byte) error { return show(env.Out, data) }); err != nil {
		return err
	}
	return errors.New("the edge ended the stream of events")
}

// maxEvent bounds one line of an event stream.
const maxEvent = 1 << 20

// readEvents reads server-sent events (WHATWG HTML, section 9.2) until their
// end, which is no error. An event that says why the stream failed is the error;
// an event "error" that has a type is something that happened to a sandbox.
func readEvents(r io.Reader, each func(data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var data []byte
	for lines.Scan() {
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(lines.Bytes()) == 0:
			if len(data) > 0 {
				err := failureOf(data)
				if err == nil {
					err = each(data)
				}
				if err != nil {
					return err
				}
			}
			data = data[:0]
		case string(field) == "data":
			if len(data) > 0 {
				data = append(data, '\n')
			}
			if data = append(data, value...); len(data) > maxEvent {
				return errors.New("the edge sent an event that is too long")
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the stream of events broke off: %w", err)
	}
	return nil
}

func printEventJSON(w io.Writer, data []byte) error {
	_, err := fmt.Fprintf(w, "%s\n", data)
	return err
}

// happening is one event of the edge's stream.
type happening struct {
	Type       string       `json:"type"`
	Binding    string       `json:"binding"`
	ID         string       `json:"id"`
	Generation int64        `json:"generation"`
	Text       string       `json:"text"`
	Duration   abi.Duration `json:"duration"`
	At         time.Time    `json:"at"`
	Dropped    int64        `json:"dropped"`
}

// printEvent prints one line about an event, for people.
func printEvent(w io.Writer, data []byte) error {
	var e happening
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("the edge sent an event that is not understood: %w", err)
	}
	line := e.At.Local().Format(time.TimeOnly)
	if e.Dropped > 0 {
		line += fmt.Sprintf("  %d events are missing here", e.Dropped)
	} else {
		line += fmt.Sprintf("  %-14s  %s", e.Type, Ref{e.Binding, e.ID})
	}
	if e.Generation > 0 {
		line += fmt.Sprintf("  generation %d", e.Generation)
	}
	if e.Duration > 0 {
		line += fmt.Sprintf("  in %d ms", e.Duration.D().Milliseconds())
	}
	if e.Text != "" {
		line += "  " + e.Text
	}
	_, err := fmt.Fprintln(w, oneLine(line))
	return err
}
