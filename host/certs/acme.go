package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// ACME is a certificate authority that speaks RFC 8555, and how to show it that
// names are ours.
type ACME struct {
	// CA is the URL of its directory; Let's Encrypt's by default.
	CA string
	// Roots vouch for its HTTPS; nil is the system's.
	Roots *x509.CertPool
	// Email is told by the authority of what goes wrong; empty is nobody.
	Email string
	// Account binds to an account elsewhere (RFC 8555, section 7.3.4); nil is none.
	Account *ExternalAccount
	// DNS sets DNS records, with which one certificate for all names directly under
	// each domain can be had; nil has none of those.
	DNS *DNS

	// HTTPS is the address, "host:port", of the listener that has Manager.Config,
	// and HTTP that of the one that has Manager.Redirect; empty is none. The
	// authority comes to the names' ports 443 and 80, whatever these are.
	HTTPS, HTTP string

	pace pace
}

// ExternalAccount is an account with the authority's operator.
type ExternalAccount struct{ KeyID, MACKey string }

// DNS sets TXT records by running a command.
type DNS struct {
	// Command is a program with its first arguments; "present NAME VALUE" or
	// "cleanup NAME VALUE" comes behind them.
	Command []string
	// Propagation is how long a record may take until it is seen; 2m by default, and
	// negative if nobody is to look.
	Propagation time.Duration
	// Resolvers, "host:port", are asked for it; the zone's own servers by default.
	Resolvers []string
}

// pace is what tests make faster.
type pace struct {
	look      time.Duration // how often certificates are looked at for renewal; 10m by default
	remaining float64       // of a certificate's time, when it is renewed; a third by default
	retry     []time.Duration
}

// retries is when a name is asked for again after failures in a row: a public
// authority counts them (Let's Encrypt: 5 an hour for each name).
func (p pace) retries() []time.Duration {
	if p.retry != nil {
		return p.retry
	}
	return []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour}
}

const (
	// obtainTimeout bounds one attempt to have a certificate.
	obtainTimeout = 5 * time.Minute
	// handshakeWait is how long a handshake waits for one, for which there is an
	// attempt under way. The attempt goes on, and a later handshake has it.
	handshakeWait = time.Minute
	// maxSingle is how many names may have a certificate of their own.
	maxSingle = 10_000
	// kept is for how long a certificate that ran out stays on disk.
	kept = 14 * 24 * time.Hour
)

// acmeFolder is where accounts, keys and certificates are, in Config.Dir.
const acmeFolder = "acme"

// client has an authority make certificates, keeps them in acmeFolder, and has them
// renewed in time.
type client struct {
	domains []string
	allow   func(string) bool
	log     *slog.Logger
	pace    pace
	// everybodys is set for the default authority, which knows public names alone.
	everybodys bool

	cache  *certmagic.Cache
	single *certmagic.Config // names on their own, shown by HTTP-01 and TLS-ALPN-01
	wild   *certmagic.Config // what managed names, by DNS-01; nil without DNS

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup
	dns    sync.Mutex // held while names are shown by DNS: one at a time has the record

	mu     sync.Mutex // guards what follows
	closed bool
	tries  map[string]*try
	// refused are names that the authority gave no certificate for when it was asked
	// last, whoever had it asked.
	refused map[string]*setback
}

// try is what is known of a name whose certificate is not there, or was not. Its
// fields are guarded by client.mu.
type try struct {
	done chan struct{} // closed when the attempt is over; nil if there is none under way
	setback
}

// setback is what is known of attempts that failed.
type setback struct {
	failures int       // in a row
	err      error     // of the last attempt
	next     time.Time // when there may be another
}

// note takes an attempt's end down, and returns for how long there is none after a
// failure.
func (s *setback) note(err error, p pace) (pause time.Duration) {
	if s.err = err; err == nil {
		s.failures = 0
		return 0
	}
	retries := p.retries()
	pause = retries[min(s.failures, len(retries)-1)]
	s.failures++
	s.next = time.Now().Add(pause)
	return pause
}

// openClient asks for what is needed from the beginning, in the background.
func openClient(c Config) *client {
	a := &client{domains: c.Domains, allow: c.Allow, log: c.Log, pace: c.ACME.pace, everybodys: c.ACME.CA == "", tries: map[string]*try{}, refused: map[string]*setback{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	quiet := quietly(c.Log)
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: a.configFor, RenewCheckInterval: c.ACME.pace.look, Logger: quiet,
	})
	form := certmagic.Config{
		Storage: newStorage(filepath.Join(c.Dir, acmeFolder)), Logger: quiet, RenewalWindowRatio: c.ACME.pace.remaining,
		OCSP: certmagic.OCSPConfig{DisableStapling: true}, OnEvent: a.onEvent,
	}
	a.single = certmagic.New(a.cache, form)
	a.single.Issuers = []certmagic.Issuer{&gate{issuer: c.ACME.issuer(a.single, nil), client: a, may: a.maySingle}}
	if c.ACME.DNS != nil {
		a.wild = certmagic.New(a.cache, form)
		solver := c.ACME.DNS.solver(c.Log, quiet)
		a.wild.Issuers = []certmagic.Issuer{&gate{issuer: c.ACME.issuer(a.wild, solver), client: a, may: a.mayManaged, turn: &a.dns}}
		a.work.Go(a.runManage)
	}
	a.work.Go(a.runTidy)
	return a
}

// issuer is certmagic's client of the authority. With a solver names are shown by
// DNS alone.
func (c *ACME) issuer(config *certmagic.Config, solver *certmagic.DNS01Solver) *certmagic.ACMEIssuer {
	form := certmagic.ACMEIssuer{
		CA: c.CA, Email: c.Email, Agreed: true, TrustedRoots: c.Roots, Logger: config.Logger,
		DisableDistributedSolvers: true, CertObtainTimeout: obtainTimeout,
		DisableHTTPChallenge: c.HTTP == "", DisableTLSALPNChallenge: c.HTTPS == "",
	}
	// certmagic listens on the port itself unless somebody does already.
	form.ListenHost, form.AltTLSALPNPort = hostPort(c.HTTPS)
	if c.HTTP != "" {
		_, form.AltHTTPPort = hostPort(c.HTTP)
	}
	if c.Account != nil {
		form.ExternalAccount = &acme.EAB{KeyID: c.Account.KeyID, MACKey: c.Account.MACKey}
	}
	if solver != nil {
		form.DNS01Solver = solver
	}
	return certmagic.NewACMEIssuer(config, form)
}

// hostPort splits a listener's address; an unspecified host is empty.
func hostPort(address string) (string, int) {
	a, err := netip.ParseAddrPort(address)
	if err != nil || a.Addr().IsUnspecified() {
		return "", int(a.Port())
	}
	return a.Addr().String(), int(a.Port())
}

// solver shows that names are ours by records that the command sets.
func (d *DNS) solver(log *slog.Logger, quiet *zap.Logger) *certmagic.DNS01Solver {
	s := &certmagic.DNS01Solver{}
	s.DNSProvider = &hook{command: d.Command, timeout: hookTimeout, log: log}
	s.PropagationTimeout, s.Resolvers, s.Logger = d.Propagation, slices.Clone(d.Resolvers), quiet
	if d.Propagation < 0 {
		s.PropagationTimeout = -1
	}
	return s
}

// gate stands before an authority: whatever goes to it passes here.
type gate struct {
	issuer *certmagic.ACMEIssuer
	client *client
	may    func(name string) error
	turn   *sync.Mutex // nil: any number at a time
}

var (
	_ certmagic.Issuer            = (*gate)(nil)
	_ certmagic.PreChecker        = (*gate)(nil)
	_ certmagic.RenewalInfoGetter = (*gate)(nil)
)

// PreCheck meets certmagic.PreChecker. The issuer's own has it use the e-mail address
// that it is given; without one it would make up one from what is on disk.
func (g *gate) PreCheck(ctx context.Context, names []string, _ bool) error {
	if g.issuer.Email == "" {
		return nil
	}
	if err := g.issuer.PreCheck(ctx, names, false); err != nil {
		return certmagic.ErrNoRetry{Err: err}
	}
	return nil
}

// IssuerKey names the authority in paths.
func (g *gate) IssuerKey() string { return g.issuer.IssuerKey() }

// GetRenewalInfo asks the authority when it wants a certificate to be renewed (RFC
// 9773).
func (g *gate) GetRenewalInfo(ctx context.Context, c certmagic.Certificate) (acme.RenewalInfo, error) {
	return g.issuer.GetRenewalInfo(ctx, c)
}

// Issue asks the authority, once: when to ask again is decided by client. After a
// failure that is not before a pause is over, for certmagic's renewals too, which come
// with every look: authorities count failures, and at last shut a name out.
func (g *gate) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if len(csr.DNSNames) == 0 || len(csr.IPAddresses)+len(csr.EmailAddresses)+len(csr.URIs) > 0 {
		return nil, certmagic.ErrNoRetry{Err: errors.New("a certificate is asked for host names alone")}
	}
	for _, name := range csr.DNSNames {
		if err := g.may(name); err != nil {
			return nil, certmagic.ErrNoRetry{Err: err}
		}
	}
	if g.turn != nil {
		g.turn.Lock()
		defer g.turn.Unlock()
	}
	name := csr.DNSNames[0] // certmagic asks for one at a time
	if err := g.client.tooSoon(name); err != nil {
		return nil, certmagic.ErrNoRetry{Err: err}
	}
	issued, err := g.issuer.Issue(ctx, csr)
	g.client.answered(name, err)
	if err != nil {
		return nil, certmagic.ErrNoRetry{Err: err}
	}
	return issued, nil
}

// errNotAllowed is why a name is kept from the authority.
var errNotAllowed = errors.New("the name is not one that the edge may ask a certificate for")

func (a *client) maySingle(name string) error {
	if strings.Contains(name, "*") || a.everybodys && !certmagic.SubjectQualifiesForPublicCert(name) || !a.allow(name) {
		return errNotAllowed
	}
	return nil
}

func (a *client) mayManaged(name string) error {
	if !slices.Contains(a.managed(), name) {
		return errNotAllowed
	}
	return nil
}

// managed are the names that are asked for from the beginning, by DNS.
func (a *client) managed() []string {
	if a.wild == nil {
		return nil
	}
	var names []string
	for _, d := range a.domains {
		names = append(names, "*."+d, d)
	}
	return names
}

// configFor tells certmagic how a certificate is renewed.
func (a *client) configFor(c certmagic.Certificate) (*certmagic.Config, error) {
	if len(c.Names) > 0 && a.mayManaged(c.Names[0]) == nil {
		return a.wild, nil
	}
	return a.single, nil
}

// onEvent tells of certificates that came, and of renewals that failed.
func (a *client) onEvent(_ context.Context, event string, data map[string]any) error {
	failure, _ := data["error"].(error)
	switch renewal, _ := data["renewal"].(bool); {
	case errors.Is(failure, errWaiting): // nobody was asked
	case event == "cert_obtained":
		a.log.Info("certificate obtained", "name", data["identifier"], "renewal", renewal)
	case event == "cert_failed" && renewal && a.ctx.Err() == nil:
		a.log.Warn("a certificate was not renewed; it is tried again", "name", data["identifier"], "left", data["remaining"], "error", failure)
	}
	return nil
}

// close ends what is under way. What certmagic has begun to renew by itself ends in
// its own time.
func (a *client) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.work.Wait()
	a.cache.Stop()
}

// load has a certificate ready: from disk, else from the authority.
func (a *client) load(config *certmagic.Config, name string) error {
	ctx, cancel := context.WithTimeout(a.ctx, obtainTimeout)
	defer cancel()
	cert, err := config.CacheManagedCertificate(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := config.ObtainCertAsync(ctx, name); err != nil {
			return err
		}
	case err != nil:
		return err
	case !cert.Expired():
		return nil // the cache renews it in time
	default:
		if err := config.RenewCertAsync(ctx, name, false); err != nil {
			return err
		}
		a.cache.Remove([]string{cert.Hash()})
	}
	if _, err = config.CacheManagedCertificate(ctx, name); err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	return nil
}
