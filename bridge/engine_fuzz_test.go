package bridge

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
)

// FuzzEngines sends anything through a bridge both ways, cut anywhere, by every
// engine: what arrives is an exact prefix, and behind it there is at most one whole
// Close of the edge's, which stands between two frames. What is good arrives whole.
func FuzzEngines(f *testing.F) {
	f.Add([]byte{}, []byte{}, []byte{})
	for i, tc := range scannerCases {
		if len(tc.in) < 1000 {
			f.Add(tc.in, frame(0x81, "back", false), []byte{byte(i % 5), 1, 40})
			f.Add(frame(0x81, "there", true), tc.in, []byte{byte(i % 5), 2, 40})
		}
	}
	for _, forms := range [][2]bool{{true, false}, {true, true}, {false, false}} {
		f.Add(join(headerForms(forms[0])[:3]...), join(headerForms(forms[1])[:3]...), []byte{1, 1, 1, 200})
	}
	f.Fuzz(func(t *testing.T, up, down, steps []byte) {
		for _, e := range engines() {
			e.engine = e.make()
			e.fuzz(t, up, down, steps)
		}
	})
}

// fuzz sends up and down through one bridge, which comes to its end.
func (e engineCase) fuzz(t *testing.T, up, down, steps []byte) {
	r := e.rig(t, Policy{})
	in := [2][]byte{up, down}
	var got [2][]byte
	var wg sync.WaitGroup
	for i, s := range r.sides() {
		wg.Go(func() {
			at := 0
			for _, cut := range append(cutsOf(len(in[i]), steps), len(in[i])) {
				s.from.Write(in[i][at:cut])
				at = cut
			}
			s.from.CloseWrite()
		})
		wg.Go(func() { got[i], _ = io.ReadAll(s.to.br) })
	}
	wg.Wait()
	r.client.Close()
	r.backend.Close()
	r.summary()
	want := [2]reading{readSlowly(up, true, false, 0), readSlowly(down, false, false, 0)}
	clean := want[0].code == 0 && want[1].code == 0
	for i, s := range r.sides() {
		if err := arrived(in[i], got[i], s.masked, want[i], clean); err != nil {
			t.Errorf("%s, %v: %v\nsent % .80x\ngot % .80x", e.name, s, err, in[i], got[i])
		}
	}
}

// arrived checks what was heard of in.
func arrived(in, got []byte, masked bool, want reading, clean bool) error {
	if clean {
		if !bytes.Equal(in, got) {
			return fmt.Errorf("a good stream of %d bytes did not arrive exact", len(in))
		}
		return nil
	}
	n := 0
	for n < len(got) && n < len(in) && got[n] == in[n] {
		n++
	}
	if n == len(got) && (want.code == 0 || n <= want.good) {
		return nil
	}
	// The edge's Close may begin as the stream goes on: where it begins is known by
	// its end.
	for at := min(n, len(got)); at >= 0; at-- {
		code, ok := wholeClose(got[at:], masked)
		if !ok || code != closeProtocol {
			continue
		}
		if want.code != 0 && at > want.good {
			return fmt.Errorf("%d bytes arrived, %d are good", at, want.good)
		}
		if r := readSlowly(got[:at], masked, false, 0); !r.between || r.good != at {
			return fmt.Errorf("the close stands behind %d bytes, inside a frame", at)
		}
		return nil
	}
	return fmt.Errorf("%d bytes, of which %d are exact, and no close", len(got), n)
}
