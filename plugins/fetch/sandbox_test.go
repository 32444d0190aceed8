package fetch

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// boxes is sandboxes whose every port is one server.
type boxes struct {
	address string
	err     error
	open    atomic.Int32
	asked   atomic.Pointer[string]
}

func (b *boxes) DialPort(ctx context.Context, ref abi.SandboxRef, port int) (net.Conn, error) {
	asked := fmt.Sprintf("%s/%s:%d", ref.Binding, ref.ID, port)
	b.asked.Store(&asked)
	if b.err != nil {
		return nil, b.err
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", b.address)
	if err != nil {
		return nil, err
	}
	b.open.Add(1)
	return &counted{Conn: c, open: &b.open}, nil
}

type counted struct {
	net.Conn
	open *atomic.Int32
	done atomic.Bool
}

func (c *counted) Close() error {
	if !c.done.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// TestSandboxPort wants a request to go to the sandbox, whatever its URL says, and a
// redirect to be the answer.
func TestSandboxPort(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://elsewhere.test/", http.StatusFound)
			return
		}
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, r.URL)
	})
	b := &boxes{address: strings.TrimPrefix(s.URL, "http://")}
	c := newClient(t)
	c.Sandboxes = b
	to := func(url string) plugins.FetchRequest {
		r := granted(url)
		r.Sandbox, r.Port, r.Redirect = abi.SandboxRef{Binding: "Sandbox", ID: "a"}, 8080, abi.RedirectManual
		return r
	}
	_, text, err := get(t, c, to("https://app.test/x?y"))
	if err != nil || text != "GET app.test /x?y" {
		t.Errorf("got %q, %v", text, err)
	}
	if asked := *b.asked.Load(); asked != "Sandbox/a:8080" {
		t.Errorf("dialled %s", asked)
	}
	a, _, err := get(t, c, to("http://app.test/away"))
	if err != nil || a.Status != http.StatusFound {
		t.Errorf("a redirect: %+v, %v", a, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Fetch(ctx, to("http://app.test/")); err == nil {
		t.Error("a request that is over was sent")
	}
	b.err = abi.Errorf(abi.CodePortNotListening, "nothing listens on port 8080")
	_, err = c.Fetch(t.Context(), to("http://app.test/"))
	want(t, err, abi.CodePortNotListening, "8080")
	if n := b.open.Load(); n != 0 {
		t.Errorf("%d connections are left open", n)
	}
	c.Sandboxes = nil
	_, err = c.Fetch(t.Context(), to("http://app.test/"))
	want(t, err, abi.CodeRuntimeUnavailable)
}
