package plugins

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// signatureSuffix follows a module's file name in the name of its signature's
// file.
const signatureSuffix = ".sig"

// maxSignatureFile bounds a signature's file: 64 bytes, or 88 in base64, and some
// white space.
const maxSignatureFile = 256

// verifyDigest checks that the module is the one that the specification names.
func verifyDigest(spec Spec, digest string) error {
	if spec.Digest == "" || strings.EqualFold(spec.Digest, digest) {
		return nil
	}
	return fmt.Errorf("its digest is %s, and the configuration wants %s", digest, strings.ToLower(spec.Digest))
}

// verifySignature checks the ed25519 signature (RFC 8032, section 5.1.7) of the
// module's SHA-256 by the specification's key, if it has one.
func verifySignature(spec Spec, module Module) error {
	switch {
	case len(spec.SignedBy) == 0:
		return nil
	case len(spec.SignedBy) != ed25519.PublicKeySize:
		return fmt.Errorf("the key that it must be signed by has %d bytes; an ed25519 key has %d", len(spec.SignedBy), ed25519.PublicKeySize)
	case len(module.Signature) == 0:
		return errors.New("it is not signed, and the configuration wants a signature; for a file that is NAME.wasm" + signatureSuffix + " beside it")
	case len(module.Signature) != ed25519.SignatureSize:
		return fmt.Errorf("its signature has %d bytes; an ed25519 signature has %d", len(module.Signature), ed25519.SignatureSize)
	}
	sum := sha256.Sum256(module.Bytes)
	if !ed25519.Verify(spec.SignedBy, sum[:], module.Signature) {
		return fmt.Errorf("its signature is not one of the key %s over this module's SHA-256 %s",
			base64.StdEncoding.EncodeToString(spec.SignedBy), hex.EncodeToString(sum[:]))
	}
	return nil
}

// readSignature reads the signature beside a module's file: 64 bytes as they are,
// or in base64. That there is none is no error.
func readSignature(module string) ([]byte, error) {
	content, err := readFile(module+signatureSuffix, maxSignatureFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, &RefusedError{StepSignature, fmt.Errorf("its signature: %w", err)}
	}
	return ParseSignature(content)
}

// ParseSignature reads a signature: 64 bytes as they are, or in base64 with or
// without padding. Its error is a *RefusedError.
func ParseSignature(content []byte) ([]byte, error) {
	if len(content) == ed25519.SignatureSize {
		return content, nil
	}
	text := strings.TrimRight(strings.TrimSpace(string(content)), "=")
	signature, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(signature) != ed25519.SignatureSize {
		return nil, &RefusedError{StepSignature, fmt.Errorf("its signature is neither %d bytes nor these in base64", ed25519.SignatureSize)}
	}
	return signature, nil
}
