package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
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

// authority is an ACME server with a resolver of its own, which really looks
// whether names are ours. What it was asked for is read from the requests to it.
type authority struct {
	url   string
	roots *x509.CertPool // for its own HTTPS
	names *zone

	mu     sync.Mutex
	orders []string // the names of every order that was asked for, also of refused ones
	asked  int      // requests of any kind
}

// startAuthority starts one that comes to ports of ours on 127.0.0.1, whatever the
// name, and whose certificates are good for some seconds.
func startAuthority(t testing.TB, httpPort, tlsPort int, seconds uint64) *authority {
	t.Helper()
	a := &authority{names: startZone(t)}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	maker := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: seconds}})
	checker := va.New(quiet, httpPort, tlsPort, false, a.names.address, store)
	front := wfe.New(quiet, store, checker, maker, []string{"pebble.letsencrypt.org"}, false, false, 0, 0)
	s := httptest.NewTLSServer(a.reading(front.Handler()))
	t.Cleanup(s.Close)
	a.url, a.roots = s.URL+wfe.DirectoryPath, trusting(s.Certificate())
	return a
}

// reading notes what is asked for.
func (a *authority) reading(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		a.note(r.URL.Path, body)
		next.ServeHTTP(w, r)
	})
}

// note reads a request, a signed JSON body (RFC 8555, section 6.2).
func (a *authority) note(path string, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
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

// ordered is how often a name was asked for.
func (a *authority) ordered(name string) int {
	n := 0
	for _, o := range a.all() {
		if o == name {
			n++
		}
	}
	return n
}

// all is what was asked for, in order.
func (a *authority) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.orders)
}

func (a *authority) requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// zone is a name server for everything below "test": all names but those that begin
// with "missing" are 127.0.0.1, and TXT records are files, which a command of the operator's can write.
type zone struct {
	address string // host:port, UDP and TCP
	dir     string // a file for each TXT record: NAME/VALUE
}

func startZone(t testing.TB) *zone {
	t.Helper()
	z := &zone{dir: t.TempDir()}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z.address = tcp.Addr().String()
	udp, err := net.ListenPacket("udp", z.address)
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
func (z *zone) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
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

// command writes an operator's program that sets records of the zone.
func (z *zone) command(t testing.TB) []string {
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

// records is how many TXT records there are.
func (z *zone) records(t testing.TB) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(z.dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
