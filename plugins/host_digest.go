package plugins

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"edge/abi"
)

// digestPiece is how much is hashed before the guest's time is looked at again, in
// bytes: about a millisecond.
const digestPiece = 1 << 20

// digest: (alg, key, key_len, data, data_len, ptr, cap). FIPS 180-4, and RFC 2104
// with a key. See SPEC.md, section 3.
func digest(in *instance, a []uint64) uint64 {
	key, data, out := in.bytes(a[1], a[2]), in.bytes(a[3], a[4]), in.bytes(a[5], a[6])
	alg := uint32(a[0])
	make := digestOfAlg(alg &^ abi.DigestHMAC)
	if make == nil {
		return answer(abi.Invalid)
	}
	h := make()
	if alg&abi.DigestHMAC != 0 || len(key) > 0 {
		h = hmac.New(make, key)
	}
	for len(data) > 0 {
		n := min(len(data), digestPiece)
		_, _ = h.Write(data[:n]) // never fails
		in.toil(n)
		data = data[n:]
	}
	return reply(&in.kept, out, h.Sum(nil))
}

// digestOfAlg is the hash of a number; nil: there is none.
func digestOfAlg(alg uint32) func() hash.Hash {
	switch alg {
	case abi.DigestSHA1:
		return sha1.New
	case abi.DigestSHA256:
		return sha256.New
	case abi.DigestSHA384:
		return sha512.New384
	case abi.DigestSHA512:
		return sha512.New
	}
	return nil
}
