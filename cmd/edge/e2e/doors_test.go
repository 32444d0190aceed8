package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// door is one of the ways to an operation: a plugin, the admin API, the command
// line.
type door interface {
	// call carries out an operation that answers once.
	call(t *testing.T, op string, request []byte) ([]byte, *abi.Error)
	// stream opens a stream, sends, and reads to its end, or to the first text
	// message whose type is until.
	stream(t *testing.T, op string, request []byte, send []message, until string) ([]message, *abi.Error)
}

// message is one message of a stream: text, or bytes.
type message struct {
	Text  json.RawMessage `json:"text,omitempty"`
	Bytes []byte          `json:"bytes,omitempty"`
}

func text(s string) message { return message{Text: json.RawMessage(s)} }

// doors are all ways to an edge that has the probe plugin, each with a sandbox of
// its own.
func doors(e *edge) map[string]door {
	return map[string]door{"abi": pluginDoor{e, "by-abi"}, "rest": restDoor{e, "by-rest"}, "cli": cliDoor{e, "by-cli"}}
}

// pluginDoor asks the probe plugin, which asks over the ABI.
type pluginDoor struct {
	e  *edge
	id string
}

func (d pluginDoor) post(t *testing.T, what, op string, body []byte) ([]byte, *abi.Error) {
	t.Helper()
	c := http.Client{Timeout: patience}
	resp, err := c.Post("http://"+d.e.addr+"/probe/"+what+"?id="+d.id+"&op="+op, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return readAnswer(t, resp)
}

func readAnswer(t *testing.T, resp *http.Response) ([]byte, *abi.Error) {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode < 300 {
		return b, nil
	}
	var failure struct {
		Error *abi.Error
		Code  abi.Code
	}
	err = json.Unmarshal(b, &failure)
	if err == nil && failure.Code != "" { // a plugin's caller gets it bare
		failure.Error = new(abi.Error)
		err = json.Unmarshal(b, failure.Error)
	}
	if err != nil || failure.Error == nil {
		t.Fatalf("status %d without an error: %.300s", resp.StatusCode, b)
	}
	if resp.StatusCode != failure.Error.Code.Status() {
		t.Errorf("%s is answered with %d, want %d", failure.Error.Code, resp.StatusCode, failure.Error.Code.Status())
	}
	return nil, failure.Error
}

func (d pluginDoor) call(t *testing.T, op string, request []byte) ([]byte, *abi.Error) {
	return d.post(t, "call", op, request)
}

func (d pluginDoor) stream(t *testing.T, op string, request []byte, send []message, until string) ([]message, *abi.Error) {
	body, err := json.Marshal(map[string]any{"request": json.RawMessage(request), "send": send, "until": until})
	if err != nil {
		t.Fatal(err)
	}
	b, failure := d.post(t, "open", op, body)
	if failure != nil {
		return nil, failure
	}
	var out struct {
		Messages []message
		Error    *abi.Error
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%v: %.300s", err, b)
	}
	return out.Messages, out.Error
}

// restDoor uses the admin API on its socket: a POST, and a WebSocket for every
// stream.
type restDoor struct {
	e  *edge
	id string
}

func (e *edge) adminDial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(e.state, "run", "admin.sock"))
}

func (e *edge) admin() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: e.adminDial}}
}

func (d restDoor) path(op string) string {
	return "://localhost/v1/sandboxes/Sandbox/" + url.PathEscape(d.id) + "/" + op
}

func (d restDoor) call(t *testing.T, op string, request []byte) ([]byte, *abi.Error) {
	t.Helper()
	resp, err := d.e.admin().Post("http"+d.path(op), "application/json", bytes.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return readAnswer(t, resp)
}

func (d restDoor) stream(t *testing.T, op string, request []byte, send []message, until string) ([]message, *abi.Error) {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: d.e.adminDial, HandshakeTimeout: patience}
	ws, _, err := dialer.DialContext(t.Context(), "ws"+d.path(op), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if err := ws.WriteMessage(websocket.TextMessage, request); err != nil {
		t.Fatal(err)
	}
	for _, m := range send {
		kind, payload := websocket.BinaryMessage, m.Bytes
		if m.Text != nil {
			kind, payload = websocket.TextMessage, m.Text
		}
		if err := ws.WriteMessage(kind, payload); err != nil {
			t.Fatal(err)
		}
	}
	var got []message
	for {
		kind, payload, err := ws.ReadMessage()
		if err != nil {
			if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				return got, nil
			}
			t.Fatalf("after %d messages: %v", len(got), err)
		}
		if kind == websocket.BinaryMessage {
			got = append(got, message{Bytes: payload})
			continue
		}
		var m struct {
			Type  string
			Error *abi.Error
		}
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		if m.Type == "" && m.Error != nil {
			return got, m.Error
		}
		got = append(got, message{Text: payload})
		if until != "" && m.Type == until {
			return got, nil
		}
	}
}

// cliDoor runs "edge call".
type cliDoor struct {
	e  *edge
	id string
}

// edgeCommand runs one command of the binary against this edge.
func (e *edge) edgeCommand(ctx context.Context, stdin io.Reader, args ...string) (stdout, stderr []byte, err error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Dir(e.config) // where edge.yaml is found
	cmd.Stdin = stdin
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err = cmd.Run()
	return out.Bytes(), complaints.Bytes(), err
}

func (d cliDoor) call(t *testing.T, op string, request []byte) ([]byte, *abi.Error) {
	t.Helper()
	out, complaints, err := d.e.edgeCommand(t.Context(), nil, "call", "Sandbox/"+d.id, op, string(request))
	if err != nil {
		return nil, cliError(t, complaints)
	}
	return out, nil
}

// cliError reads "edge: CODE: message" back.
func cliError(t *testing.T, complaints []byte) *abi.Error {
	t.Helper()
	for line := range strings.Lines(string(complaints)) {
		rest, ok := strings.CutPrefix(line, "edge: ")
		code, msg, ok2 := strings.Cut(strings.TrimSpace(rest), ": ")
		if ok && ok2 && strings.ToUpper(code) == code {
			return abi.Errorf(abi.Code(code), "%s", msg)
		}
	}
	t.Fatalf("the command line failed without a code:\n%s", complaints)
	return nil
}

func (d cliDoor) stream(t *testing.T, op string, request []byte, send []message, until string) ([]message, *abi.Error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdin bytes.Buffer
	for _, m := range send {
		stdin.Write(m.Bytes) // the end of the input is the end of standard input
	}
	cmd := exec.CommandContext(ctx, binary, "call", "Sandbox/"+d.id, op, string(request))
	cmd.Dir, cmd.Stdin = filepath.Dir(d.e.config), &stdin
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var got []message
	stopped := false
	if op == abi.ReadFileStream.Name() {
		b, err := io.ReadAll(out)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, message{Bytes: b})
	} else {
		got, stopped = readLines(t, out, until)
		if stopped {
			cancel()
		}
	}
	if err := cmd.Wait(); err != nil && !stopped {
		return got, cliError(t, complaints.Bytes())
	}
	if op == abi.ReadFileStream.Name() {
		got = append([]message{{Text: bytes.TrimSpace(complaints.Bytes())}}, got...)
	}
	return got, nil
}

// readLines reads a line of JSON for each message.
func readLines(t *testing.T, r io.Reader, until string) (got []message, stopped bool) {
	t.Helper()
	for d := json.NewDecoder(r); ; {
		var line json.RawMessage
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			return got, false
		} else if err != nil {
			t.Fatal(err)
		}
		var m struct{ Type, Data string }
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		if m.Type == "data" {
			b, err := base64.StdEncoding.DecodeString(m.Data)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, message{Bytes: b})
			continue
		}
		got = append(got, message{Text: line})
		if until != "" && m.Type == until {
			return got, true
		}
	}
}

// subset returns what of want is not in got. Objects may have more fields than
// wanted; a check decides for itself; everything else must be equal.
func subset(want, got any) error {
	switch w := want.(type) {
	case check:
		return w(got)
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("got %v, want an object", got)
		}
		for k, v := range w {
			if err := subset(v, g[k]); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("got %v, want a list of %d", got, len(w))
		}
		for i := range w {
			if err := subset(w[i], g[i]); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		return nil
	case int:
		want = float64(w)
	}
	if want != got {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

// check is a condition of its own on a value.
type check func(got any) error

// some wants anything but nothing.
func some(got any) error {
	if got == nil || got == "" || got == 0.0 {
		return errors.New("is missing")
	}
	return nil
}

// none wants nothing, the zero value or an absent field.
func none(got any) error {
	if got != nil && got != "" && got != 0.0 && got != false {
		return fmt.Errorf("got %v, want nothing", got)
	}
	return nil
}

// holding wants a text that holds s.
func holding(s string) check {
	return func(got any) error {
		if str, ok := got.(string); !ok || !strings.Contains(str, s) {
			return fmt.Errorf("got %v, want a text with %q", got, s)
		}
		return nil
	}
}
