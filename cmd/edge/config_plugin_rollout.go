package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"edge/plugins"
)

// Trust is which modules of a plugin are taken.
type Trust struct {
	// Digest, if set, is the SHA-256 that the module must have, in hexadecimal.
	Digest string
	// SignedBy, if set, is the ed25519 key that must have signed it (RFC 8032).
	SignedBy []byte
}

// Rollout is how a new version of a plugin takes over.
type Rollout struct {
	Canary   plugins.Canary
	Rollback plugins.Rollback
	// KeepWarm is how long the version before stays ready to come back.
	KeepWarm time.Duration
	// Replay, if set, is a file of recorded requests, absolute.
	Replay string
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// digest returns a SHA-256 in hexadecimal.
func (v value) digest() (string, bool) {
	s, ok := v.text("the SHA-256 of the module, 64 hexadecimal digits")
	if !ok {
		return "", false
	}
	hex := strings.ToLower(strings.TrimPrefix(s, "sha256:"))
	if !sha256Hex.MatchString(hex) {
		v.fail("%q is no SHA-256; want 64 hexadecimal digits, as sha256sum prints them", s)
		return "", false
	}
	return hex, true
}

// signedBy returns the public key that v names: 32 bytes in base64 or hexadecimal,
// or a file with that or with what openssl writes.
func (c *Config) signedBy(v value) ([]byte, bool) {
	const want = "an ed25519 public key in base64 or hexadecimal, or a file that holds one"
	s, ok := v.text(want)
	if !ok {
		return nil, false
	}
	if key := parsePublicKey([]byte(s)); key != nil {
		return key, true
	}
	content, err := readSmallFile(c.abs(s))
	if err != nil {
		v.fail("%q is neither a key nor a file that can be read (%s); want %s", s, reason(err), want)
		return nil, false
	}
	key := parsePublicKey(content)
	if key == nil {
		v.fail("the file %s holds no ed25519 public key; want 32 bytes in base64 or hexadecimal, or PEM", s)
		return nil, false
	}
	return key, true
}

// parsePublicKey reads an ed25519 public key in hexadecimal, base64 or PEM (RFC
// 8410); nil if it is none of them.
func parsePublicKey(text []byte) []byte {
	text = bytes.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString} {
		if key, err := decode(string(text)); err == nil && len(key) == ed25519.PublicKeySize {
			return key
		}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil
	}
	if public, ok := key.(ed25519.PublicKey); ok {
		return public
	}
	return nil
}

// canary returns which share of the requests a new version serves first, and how
// long; off has it serve all of them at once.
func (v value) canary() (plugins.Canary, bool) {
	if s, _, ok := v.scalar(); ok && (s == off || s == "false") {
		return plugins.Canary{}, true
	}
	c := plugins.Canary{For: plugins.DefaultCanary}
	given := false
	before := len(v.doc.problems)
	v.object(map[string]func(value){
		"percent": func(v value) { given = true; n, ok := v.integer(1, 99); set(&c.Percent)(int(n), ok) },
		"for":     func(v value) { set(&c.For)(v.duration(maxSpan)) },
	})
	if !given && len(v.doc.problems) == before {
		v.fail("has no percent; want {percent: 5, for: 5m} or off")
	}
	return c, len(v.doc.problems) == before
}

// defaultRollback is when a new version is given up of which the file says nothing.
func defaultRollback() plugins.Rollback {
	return plugins.Rollback{Failures: plugins.DefaultRollbackFailures, Within: plugins.DefaultRollbackWithin}
}

// rollback returns when a new version is given up; off is never.
func (v value) rollback() (plugins.Rollback, bool) {
	if s, _, ok := v.scalar(); ok && (s == off || s == "false") {
		return plugins.Rollback{Failures: -1}, true
	}
	r := defaultRollback()
	if _, mapping := v.node.(*ast.MappingNode); !mapping {
		v.fail("%s; want {failures: 3, within: 1m} or off", v.found())
		return r, false
	}
	before := len(v.doc.problems)
	v.object(map[string]func(value){
		"failures": func(v value) { n, ok := v.integer(1, maxFailures); set(&r.Failures)(int(n), ok) },
		"within":   func(v value) { set(&r.Within)(v.duration(maxSpan)) },
	})
	return r, len(v.doc.problems) == before
}

const maxFailures = 1_000_000

// existingFile returns the absolute path of a file that is there.
func (c *Config) existingFile(v value, want string) (string, bool) {
	s, ok := v.text(want)
	if !ok {
		return "", false
	}
	path := c.abs(s)
	switch st, err := os.Stat(path); {
	case err != nil:
		v.fail("%s: %s", s, reason(err))
	case !st.Mode().IsRegular():
		v.fail("%s is not a regular file; want %s", s, want)
	default:
		return path, true
	}
	return "", false
}
