package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/host/certs/acmetest"
)

// public is a manager that asks an authority, behind a listener for HTTPS and one
// that sends clients there.
type public struct {
	*Manager
	*acmetest.Authority
	https, http string
	log         *record
	clients     *tls.Config
}

// asking is what a test may say about one.
type asking struct {
	domains []string
	email   string
	dns     bool
	noHTTP  bool
	noHTTPS bool // no challenges there
	seconds uint64
	allow   func(string) bool
	dir     string
	pace    pace
}

// startPublic starts an authority, listeners and a manager between them.
func startPublic(t testing.TB, q asking) *public {
	t.Helper()
	p := &public{log: new(record), clients: &tls.Config{InsecureSkipVerify: true}} // who vouches is not the question
	var lns [2]net.Listener
	var ports [2]int
	for i := range lns {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		lns[i], ports[i] = ln, ln.Addr().(*net.TCPAddr).Port
	}
	p.http, p.https = lns[0].Addr().String(), lns[1].Addr().String()
	if q.seconds == 0 {
		q.seconds = 90 * 24 * 3600
	}
	p.Authority = acmetest.Start(t, ports[0], ports[1], q.seconds)
	a := &ACME{CA: p.URL, Roots: trusting(p.Certificate), Email: q.email, pace: q.pace}
	if !q.noHTTPS {
		a.HTTPS = p.https
	}
	if !q.noHTTP {
		a.HTTP = p.http
	}
	if q.dns {
		a.DNS = &DNS{Command: p.Names.Command(t), Resolvers: []string{p.Names.Address}}
	}
	// The listeners are closed after the manager: a challenge under way needs them.
	p.Manager = open(t, Config{Dir: q.dir, Domains: q.domains, Allow: q.allow, Log: p.log.log(), ACME: a})
	greet(t, lns[1], p.Manager.Config())
	s := p.Manager.Redirect(ports[1])
	var work sync.WaitGroup
	work.Go(func() { _ = s.Serve(lns[0]) })
	t.Cleanup(func() { _ = s.Close(); work.Wait() })
	return p
}

// to greets the edge by a name.
func (p *public) to(name string) (tls.ConnectionState, error) {
	c := p.clients.Clone()
	c.ServerName = name
	return dial(p.https, c)
}

// served are the names of the certificate that a client is given.
func (p *public) served(t testing.TB, name string) []string {
	t.Helper()
	state, err := p.to(name)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, p.log)
	}
	return state.PeerCertificates[0].DNSNames
}

// ownName is a name that no other test has. certmagic keeps challenges under way, and
// failures, by name for the whole process: two managers that ask for one name at a time
// show each other's challenge to their authorities, and are refused.
func ownName(prefix string) string { return prefix + "-" + newSerial().Text(36) + ".test" }

// allowing allows these names.
func allowing(names ...string) func(string) bool {
	return func(n string) bool { return slices.Contains(names, n) }
}

// TestWildcard: names that hold a token are served by one certificate, for which the
// authority never learns them.
func TestWildcard(t *testing.T) {
	t.Parallel()
	preview, other, app := ownName("preview"), ownName("other"), ownName("app")
	p := startPublic(t, asking{domains: []string{preview, other}, email: "ops@example.com", dns: true, allow: allowing(preview, "8080-open."+preview, app)})
	for _, d := range []string{preview, other} {
		if !p.CoversPreviews(d) {
			t.Errorf("the names under %s have no certificate", d)
		}
		within(t, "a wildcard certificate of "+d, func() bool { _, err := p.to("8080-a-topsecret." + d); return err == nil })
		within(t, "a certificate of "+d, func() bool { _, err := p.to(d); return err == nil })
		if got := p.served(t, "8080-a-topsecret."+d); !slices.Equal(got, []string{"*." + d}) {
			t.Errorf("under %s the certificate is for %q", d, got)
		}
	}
	if p.CoversPreviews("foreign.test") {
		t.Error("a foreign domain is said to have a certificate")
	}
	flood(p, 200, func(i int) string { return fmt.Sprintf("80%02d-b%d-secret%d.%s", i%90, i, i, preview) })
	flood(p, 100, func(i int) string { return fmt.Sprintf("x.80-b%d-secret%d.%s", i, i, preview) })
	p.served(t, "8080-open."+preview) // public: the wildcard is for it too
	if got := p.served(t, app); !slices.Equal(got, []string{app}) {
		t.Errorf("a route's host is served a certificate for %q", got)
	}
	want := []string{"*." + other, "*." + preview, app, other, preview}
	if got := slices.Sorted(slices.Values(p.Orders())); !slices.Equal(got, want) {
		t.Errorf("the authority was asked for %q, want %q", got, want)
	}
	if n := p.Names.Records(t); n != 0 {
		t.Errorf("%d DNS records are left", n)
	}
	if strings.Contains(p.log.String(), "secret") {
		t.Error("the log holds a token")
	}
}

// flood greets by many names from several clients at a time. Whatever becomes of
// it, it ends.
func flood(p *public, n int, name func(i int) string) {
	var next atomic.Int64
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				_, _ = p.to(name(i))
			}
		})
	}
	work.Wait()
}

// TestOnDemand: a name that may have a certificate of its own is asked for once,
// however many want it, shown by the challenge that the listeners allow.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		q    asking
	}{
		{"HTTP-01", asking{noHTTPS: true}},
		{"TLS-ALPN-01", asking{noHTTP: true}},
		{"either", asking{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			preview := ownName("preview")
			open := "8080-open." + preview
			tt.q.domains, tt.q.allow = []string{preview}, allowing(preview, open, "app.test")
			p := startPublic(t, tt.q)
			if p.CoversPreviews(preview) {
				t.Error("all names under the domain are said to have a certificate")
			}
			if n := p.Requests(); n != 0 {
				t.Errorf("the authority had %d requests before anybody came", n)
			}
			var work sync.WaitGroup
			for range 20 {
				work.Go(func() {
					if state, err := p.to(open); err != nil || !slices.Equal(state.PeerCertificates[0].DNSNames, []string{open}) {
						t.Errorf("a client of 20: %v", err)
					}
				})
			}
			flood(p, 200, func(i int) string { return fmt.Sprintf("8080-a-secret%d.%s", i, preview) })
			work.Wait()
			p.served(t, "8080-Open.P"+preview[1:])
			if got := p.Orders(); !slices.Equal(got, []string{open}) {
				t.Errorf("the authority was asked for %q\n%s", got, p.log)
			}
			if _, err := p.to("8080-a-secret1." + preview); !unserved(err) {
				t.Errorf("a name with a token: %v", err)
			}
		})
	}
}

// TestKeptOverRestarts: what was made once is not asked for again.
func TestKeptOverRestarts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	preview, app := ownName("preview"), ownName("app")
	p := startPublic(t, asking{domains: []string{preview}, dns: true, allow: allowing(app), dir: dir})
	within(t, "the certificates", func() bool {
		_, a := p.to("x." + preview)
		_, b := p.to(preview)
		_, c := p.to(app)
		return a == nil && b == nil && c == nil
	})
	before := p.Orders()
	p.Manager.Close()
	again := open(t, Config{
		Dir: dir, Domains: []string{preview}, Allow: allowing(app), Log: p.log.log(),
		ACME: &ACME{CA: p.URL, Roots: trusting(p.Certificate), DNS: &DNS{Command: []string{"/bin/false"}}},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	greet(t, ln, again.Config())
	for _, name := range []string{"x." + preview, preview, app} {
		within(t, "the certificate of "+name, func() bool {
			_, err := dial(ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: name})
			return err == nil
		})
	}
	if got := p.Orders(); !slices.Equal(got, before) {
		t.Errorf("after a restart the authority was asked for %q", got[len(before):])
	}
	for _, path := range []string{dir, filepath.Join(dir, acmeFolder)} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}
	_ = filepath.Walk(dir, func(path string, st os.FileInfo, err error) error {
		if err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0 {
			t.Errorf("others can read %s (%v)", path, st.Mode())
		}
		return err
	})
}

// TestRenewal: certificates are renewed before they run out, and one whose name is
// not exposed any more is not.
func TestRenewal(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	domain, app, open := ownName("preview"), ownName("app"), "8080-"+ownName("example")
	p := startPublic(t, asking{
		domains: []string{domain}, dns: true, seconds: 600, pace: pace{look: 300 * time.Millisecond, remaining: 0.999, retry: []time.Duration{300 * time.Millisecond}},
		allow: func(n string) bool { return n == app || n == open && !gone.Load() },
	})
	first := map[string]string{}
	serial := func(name string) string {
		state, err := p.to(name)
		if err != nil {
			return ""
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	for _, name := range []string{"x." + domain, app, open} {
		within(t, "a certificate for "+name, func() bool { first[name] = serial(name); return first[name] != "" })
	}
	for name := range first {
		within(t, "another certificate for "+name, func() bool { s := serial(name); return s != "" && s != first[name] })
	}
	gone.Store(true)
	within(t, "the name that is not exposed any more", func() bool { return unservedBy(p, open) })
	// What was under way is let end: then two rounds of another name pass without
	// one of this.
	within(t, "two rounds without it", func() bool {
		n, rounds := p.Ordered(open), p.Ordered(app)
		within(t, "two rounds", func() bool { return p.Ordered(app) > rounds+1 })
		return p.Ordered(open) == n
	})
}

// TestNotServedAfterARenewal: a renewal that ends after its name was forgotten brings
// the certificate back, which is served to nobody and goes with the next look.
func TestNotServedAfterARenewal(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	open := ownName("open")
	p := startPublic(t, asking{domains: []string{"preview.test"}, noHTTPS: true, allow: func(n string) bool { return n == open && !gone.Load() }})
	p.served(t, open)
	c := p.source.(*client)
	renewal := func() { // its last step
		if _, err := c.single.CacheManagedCertificate(t.Context(), open); err != nil {
			t.Fatal(err)
		}
	}
	gone.Store(true)
	c.forget()
	renewal()
	if !unservedBy(p, open) {
		t.Error("a name that is not allowed any more is served")
	}
	c.forget()
	if n := len(c.cache.AllMatchingCertificates(open)); n != 0 {
		t.Errorf("%d certificates of it are kept", n)
	}
	c.forget()
	if len(c.tries) != 0 {
		t.Error("the name is remembered for ever")
	}
	gone.Store(false)
	if got := p.served(t, open); !slices.Equal(got, []string{open}) || p.Ordered(open) != 1 {
		t.Errorf("allowed again it is served a certificate for %q and was asked for %d times", got, p.Ordered(open))
	}
}

func unservedBy(p *public, name string) bool {
	_, err := p.to(name)
	return unserved(err)
}

// TestFailuresBackOff: while it is too early to try again, clients are refused
// without the authority being asked.
func TestFailuresBackOff(t *testing.T) {
	t.Parallel()
	// With one kind of challenge there is one order for an attempt.
	missing := ownName("missing")
	p := startPublic(t, asking{domains: []string{"preview.test"}, noHTTPS: true, allow: allowing(missing), pace: pace{retry: []time.Duration{time.Hour}}})
	if _, err := p.to(missing); err == nil {
		t.Fatal("there is a certificate")
	}
	if n := p.Ordered(missing); n != 1 {
		t.Fatalf("it was asked for %d times\n%s", n, p.log)
	}
	before := p.Requests()
	flood(p, 50, func(int) string { return missing })
	if n := p.Requests() - before; n != 0 {
		t.Errorf("50 clients more had the authority asked %d times", n)
	}
	if log := p.log.String(); strings.Count(log, "there is no certificate") != 1 || !strings.Contains(log, "name="+missing) || !strings.Contains(log, "again=1h") {
		t.Errorf("the log does not tell of it once:\n%s", log)
	}
}

// TestRenewalsBackOff: certmagic, which looks every few minutes, has the authority
// asked no more often than that after a failure.
func TestRenewalsBackOff(t *testing.T) {
	t.Parallel()
	missing := ownName("missing")
	p := startPublic(t, asking{domains: []string{"preview.test"}, noHTTPS: true, allow: allowing(missing), pace: pace{retry: []time.Duration{time.Hour}}})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{missing}}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	g := p.source.(*client).single.Issuers[0]
	for i := range 3 {
		if _, err := g.Issue(t.Context(), csr); err == nil || errors.Is(err, errWaiting) != (i > 0) {
			t.Errorf("attempt %d: %v", i+1, err)
		}
	}
	if n := p.Ordered(missing); n != 1 {
		t.Errorf("it was asked for %d times", n)
	}
}

// TestUnknownNamesCostNothing: no file is looked for and nobody is asked.
func TestUnknownNamesCostNothing(t *testing.T) {
	t.Parallel()
	p := startPublic(t, asking{domains: []string{"preview.test"}})
	flood(p, 500, func(i int) string { return fmt.Sprintf("n%d.foreign.example", i) })
	c := p.source.(*client)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tries) != 0 || p.Requests() != 0 || p.log.String() != "" && strings.Contains(p.log.String(), "foreign") {
		t.Errorf("%d names are remembered, the authority had %d requests, the log holds\n%s", len(c.tries), p.Requests(), p.log)
	}
	if files, _ := os.ReadDir(c.single.Storage.(*storage).files.Path); len(files) != 0 {
		t.Errorf("on disk there is %v", files)
	}
}

// TestGate: whatever goes wrong before it, a name that is not allowed does not pass.
func TestGate(t *testing.T) {
	t.Parallel()
	p := startPublic(t, asking{domains: []string{"preview.test"}, allow: allowing("app.test")})
	c := p.source.(*client)
	for _, name := range []string{"8080-a-secret.preview.test", "*.preview.test"} {
		if err := c.load(c.single, name); !errors.Is(err, errNotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(p.Orders()); n != 0 {
		t.Errorf("the authority was asked for %q", p.Orders())
	}
}

// TestChallengesOfStrangers: who asks for challenges that are not under way learns
// nothing, and nothing is looked up.
func TestChallengesOfStrangers(t *testing.T) {
	t.Parallel()
	p := startPublic(t, asking{domains: []string{"preview.test"}, allow: allowing("preview.test")})
	c := p.clients.Clone()
	c.ServerName, c.NextProtos = "preview.test", []string{"acme-tls/1"}
	if _, err := dial(p.https, c); err == nil {
		t.Error("a challenge that is not under way is greeted")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.http+challengePath+"abc", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "preview.test"
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, port, _ := net.SplitHostPort(p.https)
	if want := "https://preview.test:" + port + challengePath + "abc"; res.StatusCode != 308 || res.Header.Get("Location") != want {
		t.Errorf("%d to %q, want 308 to %q", res.StatusCode, res.Header.Get("Location"), want)
	}
	if n := len(p.Orders()); n != 0 {
		t.Errorf("the authority was asked for %q", p.Orders())
	}
}
