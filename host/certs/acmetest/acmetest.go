// Package acmetest makes certificates for tests: it is a real ACME server (RFC 8555),
// which really checks whether names are the client's, with a name server of its own,
// and it writes pairs that no authority made.
package acmetest

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Authority is an ACME server. What it was asked for is read from the requests to
// it.
type Authority struct {
	// URL is that of its directory.
	URL string
	// Certificate is what its own HTTPS is trusted by.
	Certificate *x509.Certificate
	// Names is its name server.
	Names *Zone

	mu       sync.Mutex
	orders   []string // the names of every order that was asked for, also of refused ones
	requests int      // of any kind
}

// Configure has pebble, which all of this is, check at once what is shown to it, and
// accept what is right: by itself it waits for seconds, and refuses some requests to
// see whether they are sent again. It sets environment variables and so belongs into
// TestMain.
func Configure() error {
	return errors.Join(os.Setenv("PEBBLE_VA_NOSLEEP", "1"), os.Setenv("PEBBLE_WFE_NONCEREJECT", "0"))
}

// Start starts one that comes to these ports of 127.0.0.1 to check names, and whose
// certificates are good for that many seconds. It ends with the test.
func Start(t testing.TB, httpPort, tlsPort int, seconds uint64) *Authority {
	t.Helper()
	a := &Authority{Names: startZone(t)}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	maker := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: seconds}})
	checker := va.New(quiet, httpPort, tlsPort, false, a.Names.Address, store)
	front := wfe.New(quiet, store, checker, maker, []string{"pebble.letsencrypt.org"}, false, false, 0, 0)
	s := httptest.NewTLSServer(a.reading(front.Handler()))
	t.Cleanup(s.Close)
	a.URL, a.Certificate = s.URL+wfe.DirectoryPath, s.Certificate()
	return a
}

// reading notes what is asked for.
func (a *Authority) reading(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		a.note(r.URL.Path, body)
		next.ServeHTTP(w, r)
	})
}

// note reads a request, a signed JSON body (RFC 8555, section 6.2).
func (a *Authority) note(path string, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	if path != wfe.DirectoryPath && !strings.Contains(path, "order-plz") {
		return
	}
	var signed struct{ Payload string }
	var order struct {
		Identifiers []struct{ Type, Value string }
	}
	if json.Unmarshal(body, &signed) != nil {
		return
	}
	payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
	if json.Unmarshal(payload, &order) != nil {
		return
	}
	for _, i := range order.Identifiers {
		a.orders = append(a.orders, i.Value)
	}
}

// Ordered is how often a name was asked for.
func (a *Authority) Ordered(name string) int {
	n := 0
	for _, o := range a.Orders() {
		if o == name {
			n++
		}
	}
	return n
}

// Orders are the names that were asked for, in order.
func (a *Authority) Orders() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.orders)
}

// Requests is how many requests there were, of any kind.
func (a *Authority) Requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// Zone is a name server for everything below "test": all names but those that begin
// with "missing" are 127.0.0.1, and TXT records are files, which a command of the operator's can write.
type Zone struct {
	// Address is "host:port", UDP and TCP.
	Address string

	dir string // a file for each TXT record: NAME/VALUE
}

func startZone(t testing.TB) *Zone {
	t.Helper()
	z := &Zone{dir: t.TempDir()}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z.Address = tcp.Addr().String()
	udp, err := net.ListenPacket("udp", z.Address)
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	for _, s := range []*dns.Server{{Listener: tcp, Handler: z}, {PacketConn: udp, Handler: z}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		work.Go(func() { _ = s.ActivateAndServe() })
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return z
}

// ServeDNS answers one question.
func (z *Zone) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative = true
	q := r.Question[0]
	head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET}
	switch q.Qtype {
	case dns.TypeA:
		if !strings.HasPrefix(q.Name, "missing") {
			m.Answer = append(m.Answer, &dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)})
		}
	case dns.TypeSOA:
		if q.Name == "test." {
			m.Answer = append(m.Answer, &dns.SOA{Hdr: head, Ns: "ns.test.", Mbox: "x.test.", Serial: 1, Refresh: 60})
		}
	case dns.TypeTXT:
		values, _ := os.ReadDir(filepath.Join(z.dir, strings.ToLower(strings.TrimSuffix(q.Name, "."))))
		for _, v := range values {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: head, Txt: []string{v.Name()}})
		}
	}
	_ = w.WriteMsg(m)
}

// Command writes an operator's program that sets records of the zone, and returns the
// command that runs it.
func (z *Zone) Command(t testing.TB) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dns.sh")
	script := "#!/bin/sh\nset -eu\ndir=$1 verb=$2 name=$3 value=$4\n" +
		"case $verb in\npresent) mkdir -p \"$dir/$name\"; : > \"$dir/$name/$value\" ;;\n" +
		"cleanup) rm -f -- \"$dir/$name/$value\" ;;\n*) exit 2 ;;\nesac\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{"/bin/sh", path, z.dir}
}

// Records is how many TXT records there are.
func (z *Zone) Records(t testing.TB) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(z.dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
