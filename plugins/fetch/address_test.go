package fetch

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"

	"edge/abi"
	"edge/plugins"
)

func TestForbidden(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"93.184.216.34": false, "8.8.8.8": false, "2606:4700::1111": false,
		"10.0.0.5": false, "172.16.0.1": false, "192.168.1.1": false, "100.64.0.1": false, "fd12:3456::1": false,
		"127.0.0.1": true, "127.255.0.9": true, "::1": true, "0.0.0.0": true, "0.1.2.3": true, "::": true,
		"169.254.169.254": true, "169.254.0.1": true, "fe80::1": true, "fe80::1%eth0": true,
		"100.100.100.200": true, "168.63.129.16": true, "192.0.0.192": true, "fd00:ec2::254": true, "fd20:ce::254": true,
		"224.0.0.1": true, "ff02::1": true, "255.255.255.255": true, "240.0.0.1": true,
		"::ffff:127.0.0.1": true, "::ffff:169.254.169.254": true, "::127.0.0.1": true, "::ffff:10.0.0.1": false,
		"64:ff9b::7f00:1": true, "64:ff9b::a9fe:a9fe": true, "64:ff9b::808:808": false, "64:ff9b:1::127.0.0.1": true,
		"64:ff9b:1:7f00:0:100::": true,
		"2002:7f00:1::":          true, "2002:a9fe:a9fe::1": true, "2002:808:808::1": false,
		"2001:0:808:808:0:0:8000:fffe": true, // Teredo of 127.255.0.1, inverted
		"2606::5efe:7f00:1":            true,
	} {
		if kind := forbidden(netip.MustParseAddr(addr)); (kind != "") != want {
			t.Errorf("%s is %q, want forbidden %t", addr, kind, want)
		}
	}
}

// FuzzForbidden holds IPv4 addresses and the forms of them in IPv6 against each
// other.
func FuzzForbidden(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{169, 254, 169, 254})
	f.Add([]byte{8, 8, 8, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4 {
			return
		}
		v4 := netip.AddrFrom4([4]byte(b[:4]))
		want := forbidden(v4) != ""
		mapped := netip.AddrFrom16(v4.As16())
		if got := forbidden(mapped) != ""; got != want {
			t.Errorf("%s: %t, %s: %t", v4, want, mapped, got)
		}
		for _, prefix := range []string{"64:ff9b::", "2002::"} {
			form := netip.MustParseAddr(prefix).As16()
			at := 12
			if prefix == "2002::" {
				at = 2
			}
			copy(form[at:], b[:4])
			if addr := netip.AddrFrom16(form); want && forbidden(addr) == "" {
				t.Errorf("%s is forbidden, and %s is not", v4, addr)
			}
		}
	})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	grants := &plugins.Grants{Fetch: []string{"http://127.0.0.1:9000", "http://service.test"}}
	ctx := context.WithValue(t.Context(), guardKey{}, guard{"http", "service.test", grants.FetchAddr})
	for address, allowed := range map[string]bool{
		"10.0.0.5:80": true, "93.184.216.34:80": true, "[fd00::5]:80": true,
		"127.0.0.1:9000": true, "[::ffff:127.0.0.1]:9000": true, "127.0.0.1:9001": false, "127.0.0.2:9000": false, "[::1]:9000": false, "169.254.169.254:80": false,
	} {
		err := judge(ctx, "tcp", address, nil)
		if (err == nil) != allowed || err != nil && !errors.Is(err, abi.CodeDenied.Err()) {
			t.Errorf("%s: %v, want allowed %t", address, err, allowed)
		}
	}
	if judge(t.Context(), "tcp", "127.0.0.1:80", nil) == nil {
		t.Error("loopback is reached without a guard")
	}
}

// nameServer answers every question for an IPv4 address with the next of some
// addresses, and the last one for ever (RFC 1035, section 4).
type nameServer struct {
	conn  net.PacketConn
	addrs []string
	asked atomic.Int64
}

func newNameServer(t *testing.T, addrs ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn, addrs: addrs}
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (s *nameServer) serve() {
	for b := make([]byte, 512); ; {
		n, from, err := s.conn.ReadFrom(b)
		if err != nil {
			return
		}
		q := b[:n]
		end := 12
		for q[end] != 0 {
			end += int(q[end]) + 1
		}
		end += 5 // the root, type and class
		kind := binary.BigEndian.Uint16(q[end-4:])
		a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
		if kind == 1 && len(s.addrs) > 0 {
			i := min(int(s.asked.Add(1)), len(s.addrs)) - 1
			ip := netip.MustParseAddr(s.addrs[i]).As4()
			a[7] = 1
			a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ip[0], ip[1], ip[2], ip[3])
		} else if len(s.addrs) == 0 {
			a[3] |= 3 // NXDOMAIN
		}
		_, _ = s.conn.WriteTo(a, from)
	}
}

// TestNamesThatLeadInside resolves granted names to addresses of this machine: at
// once, and the second time they are asked for.
func TestNamesThatLeadInside(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "reached") })
	u, _ := url.Parse(s.URL)
	name := "http://rebind.test:" + u.Port()
	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		c := newClient(t)
		c.resolver = newNameServer(t, "127.0.0.1")
		_, _, err := get(t, c, granted(name, name))
		want(t, err, abi.CodeDenied, "rebind.test", "127.0.0.1")
	})
	t.Run("metadata", func(t *testing.T) {
		t.Parallel()
		c := newClient(t)
		c.resolver = newNameServer(t, "169.254.169.254")
		_, _, err := get(t, c, granted(name, "http://*:"+u.Port()))
		want(t, err, abi.CodeDenied, "169.254.169.254", "metadata")
	})
	t.Run("the address is granted too", func(t *testing.T) {
		t.Parallel()
		c := newClient(t)
		c.resolver = newNameServer(t, "127.0.0.1")
		if _, body, err := get(t, c, granted(name, name, s.URL)); err != nil || body != "reached" {
			t.Errorf("got %q, %v", body, err)
		}
	})
	t.Run("the second answer", func(t *testing.T) {
		t.Parallel()
		c := newClient(t)
		c.resolver = newNameServer(t, "127.0.0.1", "127.0.0.2")
		r := granted(name, name, s.URL)
		if _, _, err := get(t, c, r); err != nil {
			t.Fatal(err)
		}
		c.pools["p"].transport.CloseIdleConnections()
		_, _, err := get(t, c, r)
		want(t, err, abi.CodeDenied, "127.0.0.2")
	})
	t.Run("no such name", func(t *testing.T) {
		t.Parallel()
		c := newClient(t)
		c.resolver = newNameServer(t)
		_, _, err := get(t, c, granted(name, name))
		want(t, err, abi.CodeFetchFailed, "no such host")
	})
}
