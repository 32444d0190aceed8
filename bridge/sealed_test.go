package bridge

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"syscall"
	"testing"
	"time"
)

// sealedRig is a bridge of the own engine whose client speaks TLS, with little room
// in the kernel's buffers.
func sealedRig(t *testing.T, pol Policy) (client *tls.Conn, backend *raw, live Live, looks chan struct{}, ended chan Summary) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	plain, far := tcpPair(t)
	shallow(plain)
	near := &lookedAt{plain.(*net.TCPConn), make(chan struct{}, 1)}
	far.SetReadBuffer(64 << 10)
	far.SetDeadline(time.Now().Add(6 * wait))
	server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	client = tls.Client(far.TCPConn, &tls.Config{InsecureSkipVerify: true})
	greeted := make(chan error, 1)
	go func() { greeted <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-greeted); err != nil {
		t.Fatal(err)
	}
	nearBackend, backend := tcpPair(t)
	backend.SetDeadline(time.Now().Add(6 * wait))
	ended = make(chan Summary, 1)
	engine := new(ownEngine)
	live = engine.Bridge(server, nearBackend, nil, pol, func(s Summary) { ended <- s })
	// The kernel takes a reader for dead whose window opens by less than a segment, and
	// one of the loopback is 64 KiB: here only the edge is to look.
	findDead(plain, time.Hour)
	return client, backend, live, near.looks, ended
}

// lookedAt is a socket that tells when somebody asks for its descriptor, which a
// bridge does to look whether its peer takes anything.
type lookedAt struct {
	*net.TCPConn
	looks chan struct{}
}

func (c *lookedAt) SyscallConn() (syscall.RawConn, error) {
	select {
	case c.looks <- struct{}{}:
	default:
	}
	return c.TCPConn.SyscallConn()
}

// TestSealed: a client behind TLS is carried, told of the end, and takes its leave.
func TestSealed(t *testing.T) {
	t.Parallel()
	client, backend, live, _, ended := sealedRig(t, Policy{DeadPeer: wait})
	up, down := frame(0x82, text(70000), true), frame(0x82, text(90000), false)
	go client.Write(up)
	backend.expect(string(up))
	go backend.Write(down)
	got := make([]byte, len(down))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, down) {
		t.Fatalf("the client did not get what was sent: %v", err)
	}
	live.Close(1008, "over")
	end := frame(0x88, "\x03\xf0over", false)
	if _, err := io.ReadFull(client, got[:len(end)]); err != nil || !bytes.Equal(got[:len(end)], end) {
		t.Errorf("the client was told % x, %v", got[:len(end)], err)
	}
	client.Close()
	backend.Close()
	if s := within(t, ended, "the bridge did not end"); s.Close != "edge 1008 over" {
		t.Errorf("summary %+v", s)
	}
}

// TestSealedSlowReader: a reader behind TLS for whom single writes take longer than
// the looks at it is not cut, and loses nothing; a deadline that passed would have
// broken its TLS.
func TestSealedSlowReader(t *testing.T) {
	t.Parallel()
	client, backend, _, looks, ended := sealedRig(t, Policy{DeadPeer: 8 * time.Second})
	said, heard := newTraffic(1, false), newTraffic(1, false)
	go func() {
		defer backend.CloseWrite()
		for said.sent < 4<<20 {
			n, err := backend.Write(said.ahead())
			if said.took(n); err != nil {
				t.Errorf("write: %v", err)
				return
			}
		}
	}()
	check := func(p []byte) {
		for len(p) > 0 {
			a := heard.ahead()
			m := min(len(a), len(p))
			if !bytes.Equal(a[:m], p[:m]) {
				t.Fatalf("bytes differ behind %d", heard.sent)
			}
			heard.took(m)
			p = p[m:]
		}
	}
	buf := make([]byte, 16<<10)
	read := func(upTo int64) {
		for heard.sent < upTo {
			n, err := client.Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes: %v", heard.sent, err)
			}
			check(buf[:n])
		}
	}
	for i := range int64(8) { // the reader's slowness: it takes more than the kernel holds, but waits for a look each time
		within(t, looks, "nobody looks at the reader")
		read((i + 1) * (200 << 10))
	}
	read(4 << 20)
	client.Close()
	backend.Close()
	within(t, ended, "the bridge did not end")
}

// TestSealedNeverReads: one that takes nothing does not keep the bridge.
func TestSealedNeverReads(t *testing.T) {
	t.Parallel()
	_, backend, _, _, ended := sealedRig(t, Policy{DeadPeer: 4 * time.Second})
	go func() {
		for said := newTraffic(1, false); ; {
			n, err := backend.Write(said.ahead())
			if said.took(n); err != nil {
				return
			}
		}
	}()
	// On a busy machine the kernel, which waits a little longer, may be first.
	if s := within(t, ended, "the bridge did not end"); !errors.Is(s.Err, ErrStalled) && !errors.Is(s.Err, syscall.ETIMEDOUT) {
		t.Errorf("summary %+v", s)
	}
}

// TestWatchSealed: a client behind TLS that goes away says so before it ends, and is
// found gone all the same; one that only says something is not.
func TestWatchSealed(t *testing.T) {
	t.Parallel()
	near, far := tcpPair(t)
	server := tls.Server(near, &tls.Config{}) // only the socket beneath is looked at
	gone := make(chan bool, 1)
	w := startWatch(server, func() { gone <- true })
	far.send("a record")
	far.send("another")
	time.Sleep(50 * time.Millisecond) // a watch that takes it for the end has the time to say so
	if len(gone) > 0 {
		t.Error("a client that speaks was taken for gone")
	}
	far.CloseWrite()
	within(t, gone, "the client's end was not seen")
	w.stop()
	if !clientEnded(server) {
		t.Error("the end was seen once only")
	}
}

// sealedBelow is a server's wrapper around TLS.
type sealedBelow struct{ net.Conn }

func (s sealedBelow) UnsafeConn() net.Conn { return s.Conn }

func TestSealedIsFound(t *testing.T) {
	t.Parallel()
	near, _ := tcpPair(t)
	secure := tls.Server(near, &tls.Config{})
	if !sealed(secure) || sealed(near) || !sealed(unwrap(sealedBelow{secure})) || sealed(unwrap(sealedBelow{near})) {
		t.Error("what is TLS is not told from what is not")
	}
}
