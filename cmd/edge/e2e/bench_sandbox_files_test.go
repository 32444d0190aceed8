package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"edge/abi"
)

// BenchmarkSandboxFiles moves a file of 1 GiB in and out of a container, by the
// admin API and by docker cp, from and to a file of this computer. What arrived is
// compared.
func BenchmarkSandboxFiles(b *testing.B) {
	const size, rounds = 1 << 30, 3
	e := newEdge(b, guestSettings(b, "docker"))
	box := &box{e: e, id: "files"}
	mustCall(b, box, abi.Start, &abi.Empty{})
	machine := mustCall(b, box, abi.Inspect, &abi.Empty{}).Machine
	dir, err := os.MkdirTemp("", "edge-files-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	source, back := filepath.Join(dir, "source"), filepath.Join(dir, "back")
	want := fill(b, source, size)
	copied := func(args ...string) {
		if out, err := exec.CommandContext(b.Context(), "docker", append([]string{"cp", "-q"}, args...)...).CombinedOutput(); err != nil {
			b.Fatalf("docker cp: %v\n%s", err, out)
		}
	}
	check := func(how string) {
		if got := digest(b, back); got != want {
			b.Fatalf("%s brought other bytes: %s, want %s", how, got, want)
		}
		if err := os.Remove(back); err != nil {
			b.Fatal(err)
		}
	}
	var up, cpUp, down, cpDown times
	for range rounds {
		up.took(func() { upload(b, box, source, "ours") })
		cpUp.took(func() { copied(source, machine+":/workspace/theirs") })
		// Each reads what the other wrote, so that both are checked both ways.
		down.took(func() { download(b, box, "theirs", back) })
		check("readFileStream of what docker cp wrote")
		cpDown.took(func() { copied(machine+":/workspace/ours", back) })
		check("docker cp of what writeFileStream wrote")
	}
	rate := func(t times) float64 { return size / t.p50().Seconds() / (1 << 20) }
	figure(b, "writeFile of 1 GiB against docker cp", ratioAtLeast(rate(up), rate(cpUp), 0.5), fmt.Sprintf("%.0f and %.0f MiB/s, same bytes", rate(up), rate(cpUp)))
	figure(b, "readFile of 1 GiB against docker cp", ratioAtLeast(rate(down), rate(cpDown), 0.5), fmt.Sprintf("%.0f and %.0f MiB/s, same bytes", rate(down), rate(cpDown)))
}

// fill writes random bytes, which nothing can make smaller, and returns their
// digest.
func fill(b *testing.B, path string, size int64) string {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	h, w := sha256.New(), bufio.NewWriterSize(f, 1<<20)
	if _, err := io.CopyN(io.MultiWriter(w, h), rand.NewChaCha8([32]byte{1}), size); err != nil {
		b.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digest(b *testing.B, path string) string {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		b.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func upload(b *testing.B, x *box, from, to string) {
	b.Helper()
	f, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	address := "http" + restDoor{x.e, x.id}.path(abi.WriteFileStream.Name()) + "?path=" + url.QueryEscape(to)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, address, f)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := x.e.admin().Do(req)
	if err == nil {
		err = drain(resp)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err)
	}
}

func download(b *testing.B, x *box, from, to string) {
	b.Helper()
	f, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	body := fmt.Appendf(nil, `{"path":%q}`, from)
	resp, err := x.e.admin().Post("http"+restDoor{x.e, x.id}.path(abi.ReadFileStream.Name()), "application/json", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(f, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err)
	}
}
