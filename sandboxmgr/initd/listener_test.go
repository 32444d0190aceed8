package initd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/sandboxmgr/initproto"
)

func TestListenersOfTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tcp, tcp6 := filepath.Join(dir, "tcp"), filepath.Join(dir, "tcp6")
	const rest = " 00000000:00000000 00:00000000 00000000     0        0 "
	for name, text := range map[string]string{
		tcp: "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
			"   0: 0100007F:1F90 00000000:0000 0A" + rest + "11 1 0\n" +
			"   1: 0100007F:1F91 0100007F:1F90 01" + rest + "12 1 0\n" +
			"   2: 00000000:0050 00000000:0000 0A" + rest + "13\n  broken\n" +
			"   3: 00000000 00000000:0000 0A" + rest + "14\n   4: x:FFFFF y 0A" + rest + "15\n" +
			"   5: 0100007F:0000 00000000:0000 0A" + rest + "16\n",
		tcp6: "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A" + rest + "17\n" +
			"   1: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A" + rest + "18\n" +
			"   2: 0000000000000000FFFF00000100007F:2329 00000000000000000000000000000000:0000 0A" + rest + "19\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var ls listeners
	if err := ls.addTables(tcp, tcp6, filepath.Join(dir, "none")); err != nil {
		t.Fatal(err)
	}
	ls.settle()
	wantListeners(t, ls, "0.0.0.0:80 13", "127.0.0.1:8080 11", "[::1]:8080 17", "[::]:9000 18", "127.0.0.1:9001 19")
}

func wantListeners(t *testing.T, ls listeners, want ...string) {
	t.Helper()
	var got []string
	for _, l := range ls {
		got = append(got, fmt.Sprintf("%s %d", l.at, l.inode))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestListenersAreFew gives far more sockets than are told: those of the lowest ports
// are, whatever their order, and of one shared port one.
func TestListenersAreFew(t *testing.T) {
	t.Parallel()
	var ls listeners
	for port := 65535; port > 0; port-- {
		for range 2 {
			ls.add(listener{at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))})
		}
	}
	ls.settle()
	if len(ls) != initproto.MaxListeners || ls[0].at.Port() != 1 || ls[len(ls)-1].at.Port() != initproto.MaxListeners {
		t.Errorf("%d listeners, the first %v, the last %v", len(ls), ls[0], ls[len(ls)-1])
	}
}

// TestTableEndsEarly has one listener behind more connections than are read.
func TestTableEndsEarly(t *testing.T) {
	t.Parallel()
	const rest = " 00000000:00000000 00:00000000 00000000     0        0 7\n"
	table := "   0: 0100007F:1F90 00000000:0000 0A" + rest
	for i := range 10 * maxOther / 80 {
		table += fmt.Sprintf("%4d: 0100007F:1F90 0100007F:%04X 01", i, i) + rest
	}
	var ls listeners
	if err := ls.addTable(strings.NewReader(table + "   9: 0100007F:1F91 00000000:0000 0A" + rest)); err != nil {
		t.Fatal(err)
	}
	wantListeners(t, ls, "127.0.0.1:8080 7")
}

// socketMessage is what the kernel says of one socket.
func socketMessage(family, state byte, port uint16, addr []byte, inode uint32) []byte {
	b := make([]byte, headerBytes+socketBytes)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kindSocket)
	body := b[headerBytes:]
	body[0], body[1] = family, state
	binary.BigEndian.PutUint16(body[4:], port)
	copy(body[8:], addr)
	binary.NativeEndian.PutUint32(body[68:], inode)
	return b
}

func controlMessage(kind uint16, value int32) []byte {
	b := make([]byte, headerBytes+4)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint32(b[headerBytes:], uint32(value))
	return b
}

func TestListenersOfDiagnosis(t *testing.T) {
	t.Parallel()
	loopback6 := append(make([]byte, 15), 1)
	all := slices.Concat(
		socketMessage(familyIPv4, stateListen, 8080, []byte{127, 0, 0, 1}, 1),
		socketMessage(familyIPv4, 1, 8081, []byte{127, 0, 0, 1}, 2), // established
		socketMessage(familyIPv6, stateListen, 8082, loopback6, 3),
		socketMessage(77, stateListen, 8083, nil, 4))
	var ls listeners
	if done, err := ls.addDiagnosed(all); done || err != nil {
		t.Errorf("a part: %v, %v", done, err)
	}
	if done, err := ls.addDiagnosed(controlMessage(kindDone, 0)); !done || err != nil {
		t.Errorf("the end: %v, %v", done, err)
	}
	wantListeners(t, ls, "127.0.0.1:8080 1", "[::1]:8082 3")
	if done, err := ls.addDiagnosed(controlMessage(kindError, -int32(syscall.ENOENT))); !done || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("an error: %v, %v", done, err)
	}
	for n := 1; n < headerBytes+socketBytes; n++ {
		if _, err := ls.addDiagnosed(all[:n]); !errors.Is(err, errMalformed) {
			t.Errorf("%d bytes of a message: %v", n, err)
		}
	}
}

func FuzzListenersOfTable(f *testing.F) {
	f.Add([]byte("   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 12\n"))
	f.Add([]byte("0: 00000000000000000000000001000000:1F90 0:0 0A 0:0 0:0 0 0 0 12"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var ls listeners
		_ = ls.addTable(strings.NewReader(string(b))) // a line that is too long ends it
		checkListeners(t, ls)
	})
}

func FuzzListenersOfDiagnosis(f *testing.F) {
	f.Add(socketMessage(familyIPv4, stateListen, 8080, []byte{127, 0, 0, 1}, 1))
	f.Add(controlMessage(kindError, -2))
	f.Fuzz(func(t *testing.T, b []byte) {
		var ls listeners
		_, _ = ls.addDiagnosed(b)
		checkListeners(t, ls)
	})
}

// checkListeners wants what can be told.
func checkListeners(t *testing.T, ls listeners) {
	t.Helper()
	ls.settle()
	for i, l := range ls {
		if l.at.Port() == 0 || !l.at.IsValid() || l.at.Addr().Is4In6() || i > 0 && byPort(ls[i-1], l) >= 0 {
			t.Errorf("listener %v", l)
		}
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	for _, dear := range []bool{false, true} {
		before := pauseAfter(0, dear)
		for quiet := minPace; quiet < 10*maxDearPace; quiet *= 2 {
			now := pauseAfter(quiet, dear)
			if now < before || now > max(quiet/pacePart, pauseAfter(0, dear)) {
				t.Errorf("dear %v: after %s the pause is %s, before it was %s", dear, quiet, now, before)
			}
			before = now
		}
	}
}

// TestStir has one wait that is far from over ended by what stirs, and no look more
// than the pace allows for what goes on stirring.
func TestStir(t *testing.T) {
	t.Parallel()
	p := newPace()
	p.began = p.began.Add(-1000 * maxPace) // nothing has stirred for long
	stirred, leave := p.join()
	defer leave()
	go p.stir()
	if err := p.await(t.Context(), stirred, time.Now(), false); err != nil {
		t.Fatal(err)
	}
	if quiet := p.quiet(); quiet > maxPace {
		t.Errorf("quiet for %s right after something stirred", quiet)
	}
	for range 1000 {
		p.stir()
	}
	if len(stirred) > 1 {
		t.Error("what stirs often was told often")
	}
}
