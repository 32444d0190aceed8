package plugins

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// signer makes a key and a signature of a module by it.
func signer(t testing.TB, module []byte) (ed25519.PublicKey, []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(module)
	return public, ed25519.Sign(private, sum[:])
}

// TestSignature offers modules with good and bad signatures and digests.
func TestSignature(t *testing.T) {
	t.Parallel()
	module := responding("signed")
	key, good := signer(t, module)
	_, other := signer(t, module)
	_, elsewhere := signer(t, responding("another"))
	for name, tt := range map[string]struct {
		key       []byte
		digest    string
		signature []byte
		step      Step
		why       string
	}{
		"good":                   {key, "", good, "", ""},
		"not asked for":          {nil, "", elsewhere, "", ""},
		"good digest":            {nil, strings.ToUpper(digestOf(module)), nil, "", ""},
		"missing":                {key, "", nil, StepSignature, "it is not signed"},
		"of another key":         {key, "", other, StepSignature, "not one of the key " + base64.StdEncoding.EncodeToString(key)},
		"of another module":      {key, "", elsewhere, StepSignature, digestOf(module)},
		"cut short":              {key, "", good[:63], StepSignature, "has 63 bytes"},
		"key cut short":          {key[:31], "", good, StepSignature, "has 31 bytes"},
		"another digest":         {nil, digestOf(nil), nil, StepDigest, "the configuration wants " + digestOf(nil)},
		"digest before the rest": {key, digestOf(nil), nil, StepDigest, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			if _, err := b.Load(t.Context(), Spec{Name: "p", Secrets: map[string]string{"key": "x"}, SignedBy: tt.key, Digest: tt.digest}); err != nil {
				t.Fatal(err)
			}
			err := b.Offer(t.Context(), "p", Module{Bytes: module, Signature: tt.signature})
			var refused *RefusedError
			switch {
			case tt.step == "" && err != nil:
				t.Errorf("offer: %v", err)
			case tt.step != "" && (!errors.As(err, &refused) || refused.Step != tt.step || !strings.Contains(err.Error(), tt.why)):
				t.Errorf("offer: %v, want a refusal at %s with %q", err, tt.step, tt.why)
			}
		})
	}
}

// TestSignedFile reads the signature beside a file, and takes a module whose
// signature comes after it.
func TestSignedFile(t *testing.T) {
	t.Parallel()
	module := responding("signed")
	key, signature := signer(t, module)
	for name, content := range map[string][]byte{
		"bytes":          signature,
		"base64":         []byte(base64.StdEncoding.EncodeToString(signature) + "\n"),
		"without filler": []byte(base64.RawStdEncoding.EncodeToString(signature)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			path := writeModule(t, module)
			rewrite(t, path+".sig", content)
			if _, err := b.Load(t.Context(), Spec{Name: "p", Source: path, SignedBy: key, Secrets: map[string]string{"key": "x"}}); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("nonsense", func(t *testing.T) {
		t.Parallel()
		path := writeModule(t, module)
		rewrite(t, path+".sig", []byte("what?"))
		_, err := newBench(t, Config{}).Load(t.Context(), Spec{Name: "p", Source: path, SignedBy: key})
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Step != StepSignature {
			t.Errorf("load: %v", err)
		}
	})
	t.Run("comes later", func(t *testing.T) {
		t.Parallel()
		b, p, path := watched(t, settle)
		if _, err := b.Load(t.Context(), Spec{Name: "p", Source: path, SignedBy: key, Secrets: map[string]string{"key": "x"}}); err == nil {
			t.Fatal("a module without a signature was taken")
		}
		rewrite(t, path, module)
		b.event(t, EventRefused)
		rewrite(t, path+".sig", signature)
		b.event(t, EventReloaded)
		if got := bodyOf(t, decide(t, p, newRequest())); got != "signed" {
			t.Errorf("got %q", got)
		}
	})
}

// FuzzParseSignature reads what may lie beside a module.
func FuzzParseSignature(f *testing.F) {
	_, signature := signer(f, []byte("x"))
	f.Add(signature)
	f.Add([]byte(base64.StdEncoding.EncodeToString(signature)))
	f.Add([]byte("  \n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := ParseSignature(content)
		if (err == nil) != (len(got) == ed25519.SignatureSize) {
			t.Errorf("%d bytes and %v", len(got), err)
		}
	})
}
