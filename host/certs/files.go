package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Pair are two PEM files: a certificate with those that vouch for it behind it, and
// its key.
type Pair struct{ Cert, Key string }

// maxPair bounds each of a pair's files, in bytes.
const maxPair = 1 << 20

// lookEvery is how often the files are looked at. It goes by their content, so that
// every way to replace files is noticed: writing, renaming, switching a link.
const lookEvery = 2 * time.Second

// files are certificates that somebody else renews.
type files struct {
	pairs []Pair
	log   *slog.Logger
	now   atomic.Pointer[[]*tls.Certificate] // in the order of pairs

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// ReadPair reads a pair, and tells what is wrong with it. A certificate that has run
// out is read like any other.
func ReadPair(p Pair) (*tls.Certificate, error) {
	cert, _, err := readPair(p)
	return cert, err
}

func readPair(p Pair) (*tls.Certificate, [sha256.Size]byte, error) {
	var digest [sha256.Size]byte
	cert, err := readPEM(p.Cert)
	if err != nil {
		return nil, digest, err
	}
	key, err := readPEM(p.Key)
	if err != nil {
		return nil, digest, err
	}
	digest = sha256.Sum256(append(append([]byte(nil), cert...), key...))
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, digest, fmt.Errorf("%s with %s: %w", p.Cert, p.Key, err)
	}
	return &pair, digest, nil
}

// readPEM reads a regular file of at most maxPair bytes.
func readPEM(path string) ([]byte, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case st.Size() > maxPair:
		return nil, fmt.Errorf("%s holds more than %d bytes", path, maxPair)
	}
	return os.ReadFile(path)
}

// openFiles reads the pairs and follows them.
func openFiles(pairs []Pair, log *slog.Logger) (*files, error) {
	f := &files{pairs: pairs, log: log}
	read := make([]*tls.Certificate, len(pairs))
	seen := make([][sha256.Size]byte, len(pairs))
	var errs []error
	for i, p := range pairs {
		var err error
		if read[i], seen[i], err = readPair(p); err != nil {
			errs = append(errs, err)
			continue
		}
		f.tell(p, read[i])
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f.now.Store(&read)
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.work.Go(func() { f.runFollow(ctx, seen) })
	return f, nil
}

func (f *files) close() {
	f.cancel()
	f.work.Wait()
}

// tell warns of a certificate whose time is over or soon will be.
func (f *files) tell(p Pair, cert *tls.Certificate) {
	switch left := time.Until(cert.Leaf.NotAfter); {
	case left <= 0:
		f.log.Warn("the certificate has run out; clients will refuse it", "file", p.Cert, "since", cert.Leaf.NotAfter)
	case left < 7*24*time.Hour:
		f.log.Warn("the certificate runs out soon", "file", p.Cert, "at", cert.Leaf.NotAfter)
	}
}

// runFollow takes over pairs that have changed. One that is bad, which those are
// that are half written, changes nothing, and is told of once. seen are the digests
// of what was read last.
func (f *files) runFollow(ctx context.Context, seen [][sha256.Size]byte) {
	refused := make([]string, len(f.pairs))
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.look(seen, refused)
		}
	}
}

// look reads the pairs once. refused is, for each, what was last found wrong.
func (f *files) look(seen [][sha256.Size]byte, refused []string) {
	for i, p := range f.pairs {
		cert, digest, err := readPair(p)
		switch {
		case err != nil:
			if refused[i] != err.Error() {
				refused[i] = err.Error()
				f.log.Warn("a changed certificate is not taken over; the one before stays", "file", p.Cert, "error", err)
			}
			continue
		case digest == seen[i]:
			refused[i] = ""
			continue
		}
		seen[i], refused[i] = digest, ""
		next := append([]*tls.Certificate(nil), *f.now.Load()...)
		next[i] = cert
		f.now.Store(&next)
		f.log.Info("certificate taken over", "file", p.Cert, "until", cert.Leaf.NotAfter)
		f.tell(p, cert)
	}
}

// certificate is the first that is for the name and that the client can use, else
// the first that is for the name, else the first of all.
func (f *files) certificate(hello *tls.ClientHelloInfo, name string) (*tls.Certificate, error) {
	if name == "" {
		if a, ok := ownAddress(hello.Conn); ok {
			name = a.String()
		}
	}
	all := *f.now.Load()
	var first *tls.Certificate
	for _, cert := range all {
		if cert.Leaf.VerifyHostname(name) != nil {
			continue
		}
		if hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
		if first == nil {
			first = cert
		}
	}
	if first == nil {
		first = all[0]
	}
	return first, nil
}

func (f *files) covers(name string) bool {
	for _, cert := range *f.now.Load() {
		if cert.Leaf.VerifyHostname(name) == nil {
			return true
		}
	}
	return false
}
