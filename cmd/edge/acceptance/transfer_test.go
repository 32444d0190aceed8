package acceptance

import (
	"context"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
)

// blockSize is that of testdata/transfer/server.py.
const blockSize = 1 << 20

// madeUp reads the bytes that the server in testdata/transfer makes up.
type madeUp struct {
	size, at int64
	block    []byte
	// taken counts what was read, for others to look at.
	taken *atomic.Int64
	// breakAt ends it with an error; 0 is never.
	breakAt int64
}

var errBrokenOff = errors.New("broken off on purpose")

func newMadeUp(size int64) *madeUp {
	return &madeUp{size: size, block: sha3.SumSHAKE128([]byte("edge"), blockSize), taken: new(atomic.Int64)}
}

func (m *madeUp) Read(p []byte) (int, error) {
	switch {
	case m.at == m.size:
		return 0, io.EOF
	case m.breakAt > 0 && m.at >= m.breakAt:
		return 0, errBrokenOff
	}
	binary.BigEndian.PutUint64(m.block, uint64(m.at/blockSize))
	n := copy(p[:min(int64(len(p)), m.size-m.at)], m.block[m.at%blockSize:])
	m.at += int64(n)
	m.taken.Store(m.at)
	return n, nil
}

// digestOf is the SHA-256 of so many made-up bytes.
func digestOf(t *testing.T, size int64) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, newMadeUp(size)); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// transfer is what the server tells of the last one.
type transfer struct {
	Bytes   int64
	Broken  bool
	Chunked bool
	SHA256  string
}

// transfers is the server behind its preview.
type transfers struct {
	t    *testing.T
	box  *sandbox
	url  string
	size int64
	want string // the digest of all
}

// TestLargeBodies sends 1 GiB both ways through a preview (a quarter of it where
// CI is not set): whole or not at all, without the edge keeping it in memory.
func TestLargeBodies(t *testing.T) {
	size := int64(256 << 20)
	if os.Getenv("CI") == "true" {
		size = 1 << 30
	}
	crosswise(t, func(t *testing.T, p place) {
		box := newSandbox(t, p, "transfer")
		box.copyIn("transfer")
		box.serve("server", "python3 server.py 8080", 8080)
		x := &transfers{t: t, box: box, size: size, want: digestOf(t, size)}
		x.url = box.expose(abi.ExposePortRequest{Port: 8080})
		b := openTab(t)
		b.open(x.url)
		b.holds("body", "transfers")

		x.middle()
		x.measured("a download that breaks off and is resumed", x.downloadResumed)
		x.measured("an upload with its length", func() { x.upload(size) })
		x.measured("a chunked upload", func() { x.upload(-1) })
		x.measured("a client that breaks off", func() { x.brokenUpload(size); x.brokenUpload(-1) })
		x.measured("a server that does not read", x.slowUpload)
		x.measured("a client that does not read", x.slowDownload)
	})
}

// maxGrowth is what the edge may need for all of it: a fraction of what passes.
const maxGrowth = 64 << 20

// measured carries one out, and wants the edge's memory to stay as it was.
func (x *transfers) measured(what string, run func()) {
	x.t.Helper()
	pid := x.box.edge.cmd.Process.Pid
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil { // resets VmHWM, see proc(5)
		x.t.Fatal(err)
	}
	before, start := memory(x.t, pid, "VmRSS"), time.Now()
	run()
	took, peak := time.Since(start), memory(x.t, pid, "VmHWM")
	x.t.Logf("%s: %v; the edge had %d MiB before and %d MiB at most", what, took.Round(time.Millisecond), before>>20, peak>>20)
	if peak-before > maxGrowth {
		x.t.Errorf("%s: the edge grew by %d MiB", what, (peak-before)>>20)
	}
}

// memory is one of a process's figures in bytes (proc_pid_status(5)).
func memory(t *testing.T, pid int, field string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), field+":")
	words := strings.Fields(rest)
	if len(words) < 2 {
		t.Fatalf("no %s in\n%s", field, status)
	}
	kib, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// middle asks for a few bytes across the end of a block.
func (x *transfers) middle() {
	x.t.Helper()
	want := make([]byte, 20)
	body := newMadeUp(x.size)
	body.at = blockSize - 10
	if _, err := io.ReadFull(body, want); err != nil {
		x.t.Fatal(err)
	}
	got := x.box.edge.get(x.t, fmt.Sprintf("%sfile?size=%d", x.url, x.size), fmt.Sprintf("Range: bytes=%d-%d", blockSize-10, blockSize+9))
	if got.status != http.StatusPartialContent || got.body != string(want) {
		x.t.Errorf("a range is answered with %d %v, %d bytes", got.status, got.header, len(got.body))
	}
}

// downloadResumed reads half of the file, closes the connection, and goes on
// from there as RFC 9110, section 14.2, allows.
func (x *transfers) downloadResumed() {
	x.t.Helper()
	url := fmt.Sprintf("%sfile?size=%d", x.url, x.size)
	digest := sha256.New()
	half := x.size/2 + 4711
	etag := x.download(url, "", 200, half, digest)
	eventually(x.t, "the server notices", func() error {
		if last := x.last(); !last.Broken || last.Bytes >= x.size {
			return fmt.Errorf("it says %+v", last)
		}
		return nil
	})
	x.download(url, etag, 206, x.size-half, digest)
	if got := hex.EncodeToString(digest.Sum(nil)); got != x.want {
		x.t.Errorf("the file's digest is %s, want %s", got, x.want)
	}
}

// download reads n bytes into w and closes the connection. With an entity tag it
// asks for the last n. It returns the answer's tag.
func (x *transfers) download(url, etag string, status int, n int64, w io.Writer) string {
	x.t.Helper()
	req, err := http.NewRequestWithContext(x.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	if etag != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", x.size-n))
		req.Header.Set("If-Range", etag)
	}
	resp, err := x.box.edge.client().Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status || (resp.ContentLength == -1) != (status == 200) || resp.Header.Get("ETag") == "" {
		x.t.Fatalf("status %d, length %d, %v; want %d, and a length only for a range", resp.StatusCode, resp.ContentLength, resp.Header, status)
	}
	if _, err := io.CopyN(w, resp.Body, n); err != nil {
		x.t.Fatal(err)
	}
	return resp.Header.Get("ETag")
}

// send uploads a body; length -1 has it chunked.
func (x *transfers) send(ctx context.Context, path string, body *madeUp, length int64) (got transfer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url+path, body)
	if err != nil {
		return got, err
	}
	req.ContentLength = length
	resp, err := x.box.edge.client().Do(req)
	if err != nil {
		return got, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, 500))
		return got, errors.Join(fmt.Errorf("status %d: %s", resp.StatusCode, text), err)
	}
	return got, json.NewDecoder(resp.Body).Decode(&got)
}

// arrived wants all of an upload to be there, in the form that it was sent in.
func (x *transfers) arrived(got transfer, length int64, err error) {
	x.t.Helper()
	if want := (transfer{Bytes: x.size, Chunked: length < 0, SHA256: x.want}); err != nil || got != want {
		x.t.Errorf("the server says %+v, %v; want %+v", got, err, want)
	}
}

func (x *transfers) upload(length int64) {
	x.t.Helper()
	got, err := x.send(x.t.Context(), "upload", newMadeUp(x.size), length)
	x.arrived(got, length, err)
}

// brokenUpload ends in the middle. The server must not take the half for a whole.
func (x *transfers) brokenUpload(length int64) {
	x.t.Helper()
	body := newMadeUp(x.size)
	body.breakAt = 20 << 20
	if got, err := x.send(x.t.Context(), "upload", body, length); !errors.Is(err, errBrokenOff) {
		x.t.Errorf("a body that breaks off is answered with %+v, %v", got, err)
	}
	eventually(x.t, "the server notices", func() error {
		if last := x.last(); !last.Broken || last.SHA256 != "" || last.Bytes > body.breakAt || last.Chunked != (length < 0) {
			return fmt.Errorf("it says %+v", last)
		}
		return nil
	})
}

// slowUpload sends to a server that reads a little and then nothing until it is
// told to: meanwhile the client must be held up too.
func (x *transfers) slowUpload() {
	x.t.Helper()
	body := newMadeUp(x.size)
	ended := make(chan outcome, 1)
	go x.sendSlow(body, ended)
	x.held("the client", body.taken.Load)
	if _, err := x.send(x.t.Context(), "go", newMadeUp(0), 0); err != nil {
		x.t.Error(err)
	}
	o := <-ended
	x.arrived(o.got, x.size, o.err)
}

type outcome struct {
	got transfer
	err error
}

func (x *transfers) sendSlow(body *madeUp, ended chan<- outcome) {
	got, err := x.send(x.t.Context(), "slow", body, x.size)
	ended <- outcome{got, err}
}

// slowDownload asks for the file and reads nothing of it, which must hold the
// server up.
func (x *transfers) slowDownload() {
	x.t.Helper()
	url := fmt.Sprintf("%sfile?size=%d", x.url, x.size)
	resp, err := x.box.edge.client().Get(url)
	if err != nil {
		x.t.Fatal(err)
	}
	x.held("the server", func() int64 { return x.last().Bytes })
	if err := resp.Body.Close(); err != nil {
		x.t.Error(err)
	}
}

// maxHeld is what all buffers of the systems between two ends may take.
const maxHeld = 64 << 20

// held wants a sender whose peer does not read to come to a stop soon.
func (x *transfers) held(who string, sent func() int64) {
	x.t.Helper()
	n := settled(x.t, sent)
	x.t.Logf("%s is held up after %d MiB", who, n>>20)
	if n > maxHeld {
		x.t.Errorf("%s could send %d MiB to a peer that does not read", who, n>>20)
	}
}

// settled waits until a counter has stood still for a while, above 0.
func settled(t *testing.T, counter func() int64) int64 {
	t.Helper()
	const still = 50
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, times := int64(0), 0
	for deadline := time.Now().Add(patience); times < still; <-tick.C {
		if now := counter(); now != last || now == 0 {
			last, times = now, 0
		} else {
			times++
		}
		if time.Now().After(deadline) {
			t.Fatalf("still counting at %d", last)
		}
	}
	return last
}

// last is what the server says of its last transfer.
func (x *transfers) last() (last transfer) {
	x.t.Helper()
	got := x.box.edge.get(x.t, x.url+"last")
	if err := json.Unmarshal([]byte(got.body), &last); err != nil {
		x.t.Fatalf("%v: %d %.300s", err, got.status, got.body)
	}
	return last
}
