package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// How long the authority's certificates are good for. Browsers take 825 days at
// most from authorities that people installed themselves; leaves are made when they
// are asked for, so they may be short.
const (
	rootLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime = 7 * 24 * time.Hour
	// backdated is how far clocks of clients may be behind.
	backdated = time.Hour
)

// What an authority is kept in.
const (
	authorityFile = "authority.pem" // key and certificate
	rootFile      = "root.pem"      // the certificate alone, for those who are to trust it
)

// Authority is a certificate authority of the edge's own, which nobody trusts who
// was not told to. Its key (ECDSA, P-256) never leaves its folder.
type Authority struct {
	// Root is the certificate to trust, and RootFile where it lies as PEM.
	Root     *x509.Certificate
	RootFile string

	key *ecdsa.PrivateKey
}

// OpenAuthority reads the authority that is kept in a folder, {state}/tls, and makes
// one where there is none. One that is broken, has run out, or whose key others can
// read is an error that says what to do.
func OpenAuthority(dir string) (*Authority, error) {
	if err := keepPrivate(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, authorityFile)
	a, err := readAuthority(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeAuthority(path); err == nil || errors.Is(err, fs.ErrExist) { // another process was first
			a, err = readAuthority(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the edge's own certificate authority: %w", err)
	}
	a.RootFile = filepath.Join(dir, rootFile)
	if err := a.export(); err != nil {
		return nil, fmt.Errorf("write %s: %w", a.RootFile, err)
	}
	return a, nil
}

// FindAuthority reads the authority that is kept in a folder and changes nothing. Where
// there is none the error is fs.ErrNotExist.
func FindAuthority(dir string) (*Authority, error) {
	a, err := readAuthority(filepath.Join(dir, authorityFile))
	if err != nil {
		return nil, err
	}
	a.RootFile = filepath.Join(dir, rootFile)
	return a, nil
}

// FindRoot reads the certificate that those have who trust the authority of a folder,
// whatever has become of its key; it makes no certificates. Where there is none the
// error is fs.ErrNotExist.
func FindRoot(dir string) (*Authority, error) {
	a := &Authority{RootFile: filepath.Join(dir, rootFile)}
	content, err := os.ReadFile(a.RootFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s does not hold a certificate", a.RootFile)
	}
	if a.Root, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("%s: %w", a.RootFile, err)
	}
	return a, nil
}

// makeAuthority makes a key and a certificate for it, and writes both into one file.
func makeAuthority(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	host, _ := os.Hostname() // a name for people; none is fine
	form := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{Organization: []string{"edge"}, CommonName: fmt.Sprintf("edge authority of %s, %s", orUnknown(host), now.Format(time.DateOnly))},
		NotBefore:    now.Add(-backdated), NotAfter: now.Add(rootLifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	content := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	content = append(content, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	return writeNew(path, content, 0o600)
}

func orUnknown(s string) string {
	if s == "" {
		return "this machine"
	}
	return s
}

// readAuthority reads what makeAuthority wrote.
func readAuthority(path string) (*Authority, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("others than its owner can read or write the key in %s (mode %04o): whoever read it can speak for any site to all who trust it; "+
			"remove it with edge trust --uninstall and delete the file, or chmod 600 it if nobody did", path, mode)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := &Authority{}
	if err := a.parse(content); err != nil {
		return nil, fmt.Errorf("%s: %w; delete it to have a new one made, and trust that with edge trust", path, err)
	}
	return a, nil
}

// parse reads the two blocks.
func (a *Authority) parse(content []byte) error {
	secret, rest := pem.Decode(content)
	root, _ := pem.Decode(rest)
	if secret == nil || root == nil {
		return errors.New("it does not hold a key and a certificate")
	}
	key, err := x509.ParsePKCS8PrivateKey(secret.Bytes)
	if err != nil {
		return fmt.Errorf("its key is broken: %w", err)
	}
	if a.Root, err = x509.ParseCertificate(root.Bytes); err != nil {
		return fmt.Errorf("its certificate is broken: %w", err)
	}
	var ok bool
	if a.key, ok = key.(*ecdsa.PrivateKey); !ok || !a.key.PublicKey.Equal(a.Root.PublicKey) {
		return errors.New("its key is not that of its certificate")
	}
	if time.Now().After(a.Root.NotAfter) {
		return fmt.Errorf("it ran out on %s", a.Root.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// PEM is the certificate to trust.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Root.Raw})
}

// export writes the certificate where people and their programs find it.
func (a *Authority) export() error {
	content := a.PEM()
	if have, err := os.ReadFile(a.RootFile); err == nil && bytes.Equal(have, content) {
		return nil
	}
	if err := os.Remove(a.RootFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := writeNew(a.RootFile, content, 0o644)
	if errors.Is(err, fs.ErrExist) { // another process was first
		return nil
	}
	return err
}

// sign makes a certificate for a key by a form that says all but who vouches for it.
func (a *Authority) sign(form *x509.Certificate, key *ecdsa.PublicKey) ([]byte, error) {
	form.SerialNumber = newSerial()
	return x509.CreateCertificate(rand.Reader, form, a.Root, key, a.key)
}

// newSerial is 127 random bits (RFC 5280, section 4.1.2.2: positive, at most 20
// bytes).
func newSerial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[0] &= 0x7f
	b[15] |= 1
	return new(big.Int).SetBytes(b[:])
}
