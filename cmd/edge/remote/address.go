package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// probeTime bounds the attempt to reach one address.
const probeTime = 5 * time.Second

// Address is a place where an edge's admin API may be.
type Address struct {
	// Socket is the path of a Unix socket; empty means URL.
	Socket string
	// URL is "http://host:port" or https, without a path.
	URL string
	// Token opens URL; a socket needs none.
	Token string
	// From says who named the address: "--admin", "edge.yaml".
	From string
}

func (a Address) String() string {
	if a.Socket != "" {
		return a.Socket
	}
	return a.URL
}

// Local tells whether the address is this machine's alone.
func (a Address) Local() bool {
	if a.Socket != "" {
		return true
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || ip != nil && ip.IsLoopback()
}

// ParseAddress reads what a person calls an address: a URL, HOST:PORT, or the
// path of a socket, also as "unix://PATH".
func ParseAddress(text, from string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix://"); ok {
		text = path
	} else if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return Address{}, fmt.Errorf("%s: %q is not an address; want a URL like \"http://127.0.0.1:8788\", HOST:PORT, or the path of a socket", from, text)
		}
		if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return Address{}, fmt.Errorf("%s: %q has more than scheme, host and port", from, text)
		}
		return Address{URL: u.Scheme + "://" + u.Host, From: from}, nil
	} else if _, port, err := net.SplitHostPort(text); err == nil && port != "" && !strings.Contains(text, "/") {
		return Address{URL: "http://" + text, From: from}, nil
	}
	if text == "" {
		return Address{}, fmt.Errorf("%s: the address is empty", from)
	}
	return Address{Socket: text, From: from}, nil
}

// dial opens a connection to the address.
func (a Address) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if a.Socket != "" {
		return d.DialContext(ctx, "unix", a.Socket)
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	return d.DialContext(ctx, "tcp", host)
}

// NotRunning is the error when no edge answers at any address.
type NotRunning struct {
	tried []string
}

func (n *NotRunning) Error() string {
	return "no edge answers; tried " + strings.Join(n.tried, ", ")
}

// Suggestion says what to do about it.
func (n *NotRunning) Suggestion() string {
	return "start one with edge serve or edge dev, or say where it is with --config, --admin or EDGE_ADMIN"
}

// Dial returns a client of the first address where something listens, or
// *NotRunning. The caller closes the client.
func Dial(ctx context.Context, addresses []Address) (*Client, error) {
	n := new(NotRunning)
	for _, a := range addresses {
		probe, cancel := context.WithTimeout(ctx, probeTime)
		conn, err := a.dial(probe)
		cancel()
		if err == nil {
			return newClient(a, conn), nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n.tried = append(n.tried, fmt.Sprintf("%s (%s: %s)", a, a.From, whyNot(err)))
	}
	return nil, n
}

// whyNot is the short reason why nothing answered.
func whyNot(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens"
	case errors.Is(err, context.DeadlineExceeded):
		return "it did not answer in time"
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}
