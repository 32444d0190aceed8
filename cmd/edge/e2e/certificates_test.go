package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/host/certs/acmetest"
)

// writeCertificate writes a certificate for the names, which vouches for itself, and
// its key.
func writeCertificate(t testing.TB, cert, key string, names ...string) *x509.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return acmetest.WriteSelfSigned(t, cert, key, k, 30*24*time.Hour, names...)
}

// TestCertificatesInFiles serves previews with a certificate from a file, and takes
// over the next one while a WebSocket goes on.
func TestCertificatesInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "site.pem"), filepath.Join(dir, "site.key")
	first := writeCertificate(t, cert, key, "preview.test", "*.preview.test")
	e := newEdge(t, settings{runtime: "process", top: fmt.Sprintf("domain: preview.test\ntls: {mode: files, cert: %q, key: %q}\n", cert, key)})
	exposed := e.serve("page", pageServer, "hushhush3")
	if !strings.HasPrefix(exposed.URL, "https://8080-page-hushhush3.preview.test:") {
		t.Fatalf("the URL is %s", exposed.URL)
	}
	ws, err := dialTrusting(&tls.Config{RootCAs: poolOf(t, first)}, exposed.WSURL)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	second := writeCertificate(t, cert, key, "preview.test", "*.preview.test")
	e.eventually("the new certificate is served", func() error {
		body, err := fetchTrusting(&tls.Config{RootCAs: poolOf(t, second)}, exposed.URL+"z", 200)
		if err == nil && body != "hello /z" {
			err = fmt.Errorf("the page is %q", body)
		}
		return err
	})
	if err := echo(ws, "from before"); err != nil {
		t.Error(err)
	}
}

func poolOf(t testing.TB, c *x509.Certificate) *x509.CertPool {
	t.Helper()
	parsed, err := x509.ParseCertificate(c.Raw)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

// newPublicEdge starts an authority and an edge that asks it.
func newPublicEdge(t *testing.T, dns bool) (*edge, *acmetest.Authority) {
	t.Helper()
	if err := acmetest.Configure(); err != nil {
		t.Fatal(err)
	}
	https, http := freeAddr(t), freeAddr(t)
	a := acmetest.Start(t, portOf(t, http), portOf(t, https), 90*24*3600)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	top := fmt.Sprintf("domain: preview.test\ntls:\n  mode: acme\n  ca: %q\n  caRoots: %q\n  redirect: %q\n", a.URL, roots, http)
	if dns {
		command, err := json.Marshal(a.Names.Command(t))
		if err != nil {
			t.Fatal(err)
		}
		top += fmt.Sprintf("  dns: {command: %s, resolvers: [%q]}\n", command, a.Names.Address)
	}
	return newEdge(t, settings{runtime: "process", top: top, listen: https}), a
}

func portOf(t testing.TB, address string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

// TestCertificatesOnDemand: without a wildcard certificate a preview without a token
// has one of its own, made once for all who come at the same time, and the names of
// those with a token never reach the authority, asked for or not.
func TestCertificatesOnDemand(t *testing.T) {
	t.Parallel()
	e, authority := newPublicEdge(t, false)
	secret := e.serve("box", pageServer, "hushhush4")
	_, port, _ := net.SplitHostPort(e.addr)
	if want := "https://preview.test:" + port + "/_preview/8080/box-hushhush4/"; secret.URL != want {
		t.Errorf("the URL with a token is %s, want %s", secret.URL, want)
	}
	anybody := &tls.Config{InsecureSkipVerify: true}
	if body, err := fetchTrusting(anybody, secret.URL, 200); err != nil || body != "hello /" {
		t.Errorf("by its path: %q, %v", body, err)
	}
	var open abi.ExposedPort
	b := &box{e: e, id: "other"}
	for _, err := range []error{
		b.call(abi.StartProcess.Name(), object{"argv": []string{"bun", "-e", pageServer}}, nil),
		b.call(abi.WaitForPort.Name(), object{"port": 8080}, nil),
		b.call(abi.ExposePort.Name(), object{"port": 8080, "access": "public"}, &open),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if body, err := fetchTrusting(anybody, open.URL, 200); err != nil || body != "hello /" {
				t.Errorf("a client of 20: %q, %v", body, err)
			}
		})
		wg.Go(func() {
			if _, err := fetchTrusting(anybody, "https://8080-box-hushhush4.preview.test:"+port+"/", 200); err == nil {
				t.Error("the name with the token has a certificate")
			}
		})
	}
	wg.Wait()
	orders := authority.Orders()
	slices.Sort(orders)
	if want := []string{"8080-other.preview.test", "preview.test"}; !slices.Equal(orders, want) {
		t.Errorf("the authority was asked for %q, want %q", orders, want)
	}
	if log := e.log.String(); strings.Contains(log, "hushhush4") {
		t.Errorf("the log holds a token:\n%s", log)
	}
}

// TestWildcardCertificate: with a command that sets DNS records one certificate is
// for all names under the domain.
func TestWildcardCertificate(t *testing.T) {
	t.Parallel()
	e, authority := newPublicEdge(t, true)
	secret := e.serve("box", pageServer, "hushhush5")
	if !strings.HasPrefix(secret.URL, "https://8080-box-hushhush5.preview.test:") {
		t.Fatalf("the URL is %s", secret.URL)
	}
	e.eventually("the preview is served", func() error {
		_, err := fetchTrusting(&tls.Config{InsecureSkipVerify: true}, secret.URL, 200)
		return err
	})
	ws, err := dialTrusting(&tls.Config{InsecureSkipVerify: true}, secret.WSURL)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if err := echo(ws, "hello"); err != nil {
		t.Error(err)
	}
	orders := authority.Orders()
	slices.Sort(orders)
	if want := []string{"*.preview.test", "preview.test"}; !slices.Equal(orders, want) {
		t.Errorf("the authority was asked for %q, want %q", orders, want)
	}
}
