package bridge

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// reading is what RFC 6455 says of a stream: how much of it may be sent on, and
// what is wrong behind that.
type reading struct {
	good     int // bytes of whole headers and of payload; the two of a Close's code count as header
	code     int // that the stream earns: 0, 1002 or 1009
	messages int // whole ones
	closed   bool
	closing  int // the code of the last Close, 1005 without one
	between  bool
}

func (r reading) String() string {
	return fmt.Sprintf("good %d, code %d, messages %d, closed %v (%d), between %v", r.good, r.code, r.messages, r.closed, r.closing, r.between)
}

// readSlowly reads a whole stream the way the figure and the text of RFC 6455,
// section 5.2, have it, bit by bit and with nothing carried over from the scanner.
func readSlowly(in []byte, client, deflate bool, maxMessage uint64) reading {
	r := reading{between: true}
	var (
		inMessage bool   // section 5.4: a fragmented message is under way
		size      uint64 // of the message so far
	)
	for {
		rest := in[r.good:]
		if len(rest) < 2 {
			return r
		}
		var (
			fin    = rest[0]>>7 == 1
			rsv1   = rest[0]>>6&1 == 1
			rsv2   = rest[0]>>5&1 == 1
			rsv3   = rest[0]>>4&1 == 1
			opcode = rest[0] % 16
			masked = rest[1]>>7 == 1
			length = uint64(rest[1] % 128)
		)
		control := opcode >= 8
		known := opcode <= 2 || opcode >= 8 && opcode <= 10
		wrong := masked != client || // section 5.1
			!known || rsv2 || rsv3 || // section 5.2
			rsv1 && !(deflate && (opcode == 1 || opcode == 2)) || // RFC 7692, section 6
			control && (!fin || length > 125) || // section 5.5
			opcode == 0 && !inMessage || // section 5.4
			(opcode == 1 || opcode == 2) && inMessage // section 5.4
		if wrong {
			r.code = 1002
			return r
		}
		header := 2
		extended := 0
		if length == 126 {
			extended = 2
		} else if length == 127 {
			extended = 8
		}
		header += extended
		if masked {
			header += 4
		}
		if len(rest) < header {
			return r
		}
		if extended > 0 {
			length = 0
			for _, b := range rest[2 : 2+extended] {
				length = length*256 + uint64(b)
			}
		}
		if length>>63 == 1 { // section 5.2: the most significant bit MUST be 0
			r.code = 1002
			return r
		}
		if opcode == 8 {
			code := 1005     // section 7.1.5
			if length >= 2 { // section 5.5.1
				if len(rest) < header+2 {
					return r
				}
				hi, lo := rest[header], rest[header+1]
				if masked { // section 5.3
					hi ^= rest[header-4]
					lo ^= rest[header-3]
				}
				code = int(hi)*256 + int(lo)
			}
			r.closing = code
		}
		if !control {
			if maxMessage > 0 && size+length > maxMessage {
				r.code = 1009 // section 7.4.1
				return r
			}
			size += length
			inMessage = !fin
		}
		payload := uint64(len(rest) - header)
		if payload < length {
			r.good, r.between = len(in), false
			return r
		}
		r.good += header + int(length)
		if opcode == 8 {
			r.closed = true
		}
		if !control && fin {
			r.messages++
			size = 0
		}
	}
}

// readScanner is the same by the scanner, shown in as pieces that end at cuts.
func readScanner(in []byte, client, deflate bool, maxMessage uint64, cuts []int) (reading, error) {
	s := newScanner(client, deflate, int64(maxMessage))
	good, err := feed(&s, in, cuts...)
	r := reading{good: good, messages: int(s.messages), closed: s.closed(), closing: int(s.code), between: s.between()}
	var fe *frameError
	if errors.As(err, &fe) {
		r.code = fe.code
		err = nil
	}
	return r, err
}

// cutsOf makes cut points of n bytes, in order, from what a fuzzer says.
func cutsOf(n int, steps []byte) []int {
	var cuts []int
	for at, i := 0, 0; i < len(steps) && n > 0; i++ {
		if at += int(steps[i]); at > n {
			break
		}
		cuts = append(cuts, at)
	}
	return cuts
}

// compare fails if scanner and reference differ on a stream.
func compare(t *testing.T, in []byte, client, deflate bool, maxMessage uint64, cuts []int) {
	t.Helper()
	want := readSlowly(in, client, deflate, maxMessage)
	got, err := readScanner(in, client, deflate, maxMessage, cuts)
	if err != nil || got != want {
		t.Fatalf("client %v, deflate %v, max %d, cuts %v, % .60x\n got %v (%v)\nwant %v", client, deflate, maxMessage, cuts, in, got, err, want)
	}
}

// FuzzScannerReference compares the scanner, in pieces that the fuzzer cuts, with
// the reference.
func FuzzScannerReference(f *testing.F) {
	for i, tc := range scannerCases {
		if len(tc.in) < 1000 {
			f.Add(tc.in, []byte{1, byte(i % 7), 0, 2, 1, 1, 1, 3, 60}, tc.client, tc.deflate, uint16(tc.max))
		}
	}
	f.Fuzz(func(t *testing.T, in, steps []byte, client, deflate bool, maxMessage uint16) {
		compare(t, in, client, deflate, uint64(maxMessage), cutsOf(len(in), steps))
	})
}

// TestScannerReference compares them on streams that are mostly good: a fuzzer
// seldom comes that far.
func TestScannerReference(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		client, deflate, maxMessage := rnd.IntN(2) == 0, rnd.IntN(2) == 0, uint64(rnd.IntN(3)*rnd.IntN(400))
		in := mostlyGood(rnd, client)
		var cuts []int
		for at := rnd.IntN(20); at < len(in); at += rnd.IntN(20) * rnd.IntN(20) {
			cuts = append(cuts, at)
		}
		compare(t, in, client, deflate, maxMessage, cuts)
	}
}

// mostlyGood makes some frames of all forms, and now and then spoils a byte.
func mostlyGood(rnd *rand.Rand, masked bool) []byte {
	var in []byte
	open := false // a fragmented message is under way
	for range 1 + rnd.IntN(8) {
		n := []int{rnd.IntN(3), rnd.IntN(126), 126 + rnd.IntN(300)}[rnd.IntN(3)]
		var b0 byte
		switch rnd.IntN(12) {
		case 0, 1:
			b0, n = bitFin|opPing+byte(rnd.IntN(2)), n%126
		case 2:
			b0, n = bitFin|opClose, n%126
		default:
			if !open {
				b0 = byte(1 + rnd.IntN(2))
			}
			if open = rnd.IntN(3) == 0; !open {
				b0 |= bitFin
			}
			if rnd.IntN(6) == 0 && b0&0xf != 0 {
				b0 |= bitRSV1
			}
		}
		f := frame(b0, text(n), masked)
		if rnd.IntN(8) == 0 { // a longer form than it needs
			f = join(lengthForm(b0, uint64(n), masked), f[len(f)-n:])
		}
		in = append(in, f...)
	}
	if rnd.IntN(4) == 0 {
		in[rnd.IntN(min(len(in), 40))] ^= 1 << rnd.IntN(8)
	}
	if rnd.IntN(3) == 0 {
		in = in[:rnd.IntN(len(in)+1)]
	}
	return in
}
