package sandboxmgr

import (
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// exposureOf returns the live exposure as the host gets it.
func (e *edge) exposureOf(s *Sandbox, port int) Exposure {
	e.t.Helper()
	x, ok := e.exposures.ofPort(s.key, port)
	if !ok {
		e.t.Fatalf("port %d of %s is not exposed", port, s.key)
	}
	return x
}

func TestTokenOpens(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	private := Exposure{Access: abi.AccessToken, TokenIn: abi.TokenInRequest, Token: "tok_en"}
	for _, tt := range []struct {
		name  string
		e     Exposure
		token string
		want  bool
	}{
		{"right", private, "tok_en", true},
		{"wrong", private, "tok_em", false},
		{"truncated", private, "tok_e", false},
		{"overlong", private, "tok_en_", false},
		{"upper case", private, "TOK_EN", false},
		{"with a NUL", private, "tok_en\x00", false},
		{"none", private, "", false},
		{"no exposure", Exposure{}, "tok_en", false},
		{"no exposure, no token", Exposure{}, "", false},
		{"public", Exposure{Access: abi.AccessPublic}, "", false},
		{"plugin", Exposure{Access: abi.AccessPlugin}, "", false},
	} {
		if got := e.TokenOpens(tt.e, tt.token); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestAccessSigned(t *testing.T) {
	t.Parallel()
	w, disk := newWorld(t), newMemory()
	e := newEdge(t, w, disk, nil)
	s := e.sandbox("s")
	expose(t, s, abi.ExposePortRequest{Port: 8080, TokenIn: abi.TokenInRequest, Token: "tok_en"})
	expose(t, s, abi.ExposePortRequest{Port: 8081, TokenIn: abi.TokenInRequest, Token: "tok_en"})
	now := time.Now()
	x, until := e.exposureOf(s, 8080), now.Add(time.Hour)
	signed := e.SignAccess(x, until)
	expiry, mac, _ := strings.Cut(signed, ".")
	with := func(change func(*Exposure)) Exposure {
		changed := x
		change(&changed)
		return changed
	}
	for _, tt := range []struct {
		name   string
		e      Exposure
		signed string
		now    time.Time
		want   bool
	}{
		{"right", x, signed, now, true},
		{"in its last second", x, signed, time.Unix(until.Unix(), 0).Add(-1), true},
		{"expired", x, signed, time.Unix(until.Unix(), 0), false},
		{"none", x, "", now, false},
		{"point alone", x, ".", now, false},
		{"signature alone", x, "." + mac, now, false},
		{"expiry alone", x, expiry + ".", now, false},
		{"another expiry", x, expiry + "0." + mac, now, false},
		{"expiry with a sign", x, "+" + signed, now, false},
		{"expiry with a zero", x, "0" + signed, now, false},
		{"expiry in upper case", x, strings.ToUpper(expiry) + "." + mac, now, expiry == strings.ToUpper(expiry)},
		{"truncated", x, signed[:len(signed)-1], now, false},
		{"overlong", x, signed + "A", now, false},
		{"padded", x, signed + "=", now, false},
		{"two", x, signed + "." + signed, now, false},
		{"very long", x, strings.Repeat("z", 1<<16) + "." + mac, now, false},
		{"no exposure", Exposure{}, signed, now, false},
		{"signed for no exposure", Exposure{}, e.SignAccess(Exposure{}, until), now, false},
		{"another port", e.exposureOf(s, 8081), signed, now, false},
		{"another binding", with(func(e *Exposure) { e.Ref.Binding = "C" }), signed, now, false},
		{"another sandbox", with(func(e *Exposure) { e.Ref.ID = "s2" }), signed, now, false},
		{"made again", with(func(e *Exposure) { e.CreatedAt = e.CreatedAt.Add(1) }), signed, now, false},
		{"another token", with(func(e *Exposure) { e.Token = "tok_em" }), signed, now, false},
		{"token in the host", with(func(e *Exposure) { e.TokenIn = abi.TokenInHost }), signed, now, false},
		{"public", with(func(e *Exposure) { e.Access = abi.AccessPublic }), signed, now, false},
	} {
		got, ok := e.AccessSigned(tt.e, tt.signed, tt.now)
		if ok != tt.want || ok && got.Unix() != until.Unix() || !ok && !got.IsZero() {
			t.Errorf("%s: %v, %v", tt.name, got, ok)
		}
	}
	other := newEdge(t, newWorld(t), newMemory(), nil)
	if _, ok := other.AccessSigned(x, signed, now); ok {
		t.Error("what one edge signed opens another's")
	}
	e = successor(t, e, nil)
	if _, ok := e.AccessSigned(e.exposureOf(e.sandbox("s"), 8080), signed, now); !ok {
		t.Error("a link does not outlive the edge")
	}
}

func TestDamagedSignKeyIsAnError(t *testing.T) {
	t.Parallel()
	store := &handle{memory: newMemory()}
	if _, err := store.Commit(t.Context(), Change{Key: signKeyEntry, Value: []byte("short")}); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSignKey(t.Context(), store); err == nil {
		t.Error("links would be signed with five bytes")
	}
}

func TestCertificateName(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.Previews.Domains = []string{"p.example", "q.example"} })
	s := e.sandbox("a-b")
	expose(t, s, abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic})
	expose(t, s, abi.ExposePortRequest{Port: 8081, TokenIn: abi.TokenInRequest})
	expose(t, s, abi.ExposePortRequest{Port: 8082, Access: abi.AccessPlugin})
	expose(t, s, abi.ExposePortRequest{Port: 8083, Token: "tok"})
	for name, want := range map[string]bool{
		"8080-a-b.p.example": true, "8080-a-b.q.example": true, "8081-a-b.p.example": true, "8082-a-b.p.example": true,
		"8083-a-b-tok.p.example": false, "8083-a-b.p.example": false, "8084-a-b.p.example": false,
		"8080-a-b.r.example": false, "x.8080-a-b.p.example": false, "8080-a-b.p.example.": false, "8080-A-b.p.example": false,
		"8080-a-b": false, "p.example": false, "": false, ".p.example": false, "*.p.example": false, "8080-a-b.p.example:443": false,
	} {
		if got := e.CertificateName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if _, err := s.UnexposePort(t.Context(), &abi.UnexposePortRequest{Port: 8080}); err != nil {
		t.Fatal(err)
	}
	if e.CertificateName("8080-a-b.p.example") {
		t.Error("a certificate for what is not exposed any more")
	}
}

// BenchmarkAccessSigned is what a cookie costs each request.
func BenchmarkAccessSigned(b *testing.B) {
	m := &Manager{signKey: make([]byte, signKeySize)}
	e := Exposure{Ref: abi.SandboxRef{Binding: "Sandbox", ID: "some-sandbox"}, Port: 8080, Access: abi.AccessToken, TokenIn: abi.TokenInRequest, Token: "abcdefghijklmnop", CreatedAt: time.Now()}
	now := time.Now()
	signed := m.SignAccess(e, now.Add(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.AccessSigned(e, signed, now); !ok {
			b.Fatal("not opened")
		}
	}
}
