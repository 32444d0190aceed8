package sandboxmgr

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"edge/abi"
)

// signKeyEntry is where the store has the key that links and cookies are signed
// with. Whoever has it can make them, so that it is written nowhere else.
const (
	signKeyEntry = "previewKey"
	signKeySize  = 32 // bytes
)

// loadSignKey returns this edge's key, choosing it the first time.
func loadSignKey(ctx context.Context, store Store) ([]byte, error) {
	e, err := store.Get(ctx, signKeyEntry)
	switch {
	case err == nil && len(e.Value) == signKeySize:
		return e.Value, nil
	case err == nil:
		return nil, fmt.Errorf("record %s is damaged: %d bytes", signKeyEntry, len(e.Value))
	case !errors.Is(err, ErrNoEntry):
		return nil, fmt.Errorf("key of preview links: %w", err)
	}
	key := make([]byte, signKeySize)
	_, _ = rand.Read(key) // never fails
	if _, err := store.Commit(ctx, Change{Key: signKeyEntry, Value: key, Expect: 0}); err != nil {
		return nil, fmt.Errorf("key of preview links: %w", err)
	}
	return key, nil
}

// takesToken tells whether requests show the token, and so may show what was
// signed in its place.
func (e *Exposure) takesToken() bool {
	return e.Access == abi.AccessToken && e.TokenIn == abi.TokenInRequest
}

// secretLabel tells whether the label holds the token.
func (e *Exposure) secretLabel() bool {
	return e.Access == abi.AccessToken && e.TokenIn != abi.TokenInRequest
}

// TokenOpens tells whether the token is the exposure's. It takes the same time
// whatever the exposure and for tokens of one length, also for the zero Exposure,
// which no token opens, as none opens one without a token.
func (m *Manager) TokenOpens(e Exposure, token string) bool {
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(e.Token))
	same := subtle.ConstantTimeCompare(got[:], want[:])
	return same == 1 && e.Token != "" && e.Access == abi.AccessToken
}

// SignAccess returns what opens the exposure in the place of its token until the
// time, which counts in whole seconds: "{expiry}.{signature}", the Unix time in
// base 36 and an HMAC-SHA256 in base64 (RFC 4648, section 5, not padded). It is
// recorded nowhere. It ends earlier when the exposure is taken back or gets another
// token: both are signed.
func (m *Manager) SignAccess(e Exposure, until time.Time) string {
	expiry := strconv.FormatInt(until.Unix(), 36)
	return expiry + "." + m.signature(&e, expiry)
}

// AccessSigned tells whether SignAccess made signed for the exposure and until when
// it opens it, which is after now. It takes the same time whatever the exposure,
// also for the zero Exposure, which nothing opens.
func (m *Manager) AccessSigned(e Exposure, signed string, now time.Time) (until time.Time, ok bool) {
	expiry, signature, _ := strings.Cut(signed, ".")
	if len(expiry) > maxExpiry {
		expiry = expiry[:maxExpiry]
	}
	same := subtle.ConstantTimeCompare([]byte(signature), []byte(m.signature(&e, expiry))) == 1
	seconds, err := strconv.ParseInt(expiry, 36, 64)
	until = time.Unix(seconds, 0)
	if !same || err != nil || !e.takesToken() || !now.Before(until) {
		return time.Time{}, false
	}
	return until, true
}

// maxExpiry is the length of the longest int64 in base 36.
const maxExpiry = 13

// signedSize is that of what is signed: room for the longest binding, id, token and
// expiry, two numbers and six lengths.
const signedSize = 160

// signature signs an expiry for the exposure. Each text is preceded by its length,
// so that no two exposures sign the same bytes, and the whole is filled up, so that
// each takes the same time.
func (m *Manager) signature(e *Exposure, expiry string) string {
	b := make([]byte, 0, signedSize)
	for _, s := range [...]string{"edge preview 1", e.Ref.Binding, e.Ref.ID, e.Token, expiry} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	b = binary.AppendVarint(b, int64(e.Port))
	b = binary.AppendVarint(b, e.CreatedAt.UnixNano())
	mac := hmac.New(sha256.New, m.signKey)
	mac.Write(b[:max(len(b), signedSize)])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CertificateName tells whether a certificate for exactly this host name, in lower
// case and without a port, may be asked for in public: it is the name of a live
// exposure that holds no secret. Certificate logs are public (RFC 9162): a name that
// holds a token must never get into one.
func (m *Manager) CertificateName(name string) bool {
	label, domain, ok := strings.Cut(name, ".")
	if !ok || !slices.Contains(m.config.Previews.Domains, domain) {
		return false
	}
	e, ok := m.exposures.find(label)
	return ok && !e.secretLabel()
}
