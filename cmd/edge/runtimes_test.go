package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"edge/sandboxmgr/docker"
)

// fakeEngine answers what is asked of a Docker engine before any container is
// made: whether it is there and what images it has.
func fakeEngine(t *testing.T, images ...string) (host string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		path := r.URL.Path
		if rest, ok := strings.CutPrefix(path, "/v1.41"); ok {
			path = rest
		}
		name, isImage := strings.CutPrefix(strings.TrimSuffix(path, "/json"), "/images/")
		switch {
		case path == "/_ping":
		case isImage && slices.Contains(images, name):
			_, _ = w.Write([]byte(`{"Id":"sha256:00"}`))
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"message":"No such image"}`))
		}
	}))
	t.Cleanup(srv.Close)
	return "tcp://" + srv.Listener.Addr().String()
}

func TestChooseRuntime(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the process runtime needs Linux")
	}
	with, without := fakeEngine(t, "edge-sandbox"), fakeEngine(t)
	const down = "tcp://127.0.0.1:1"
	tests := []struct {
		name, wanted, image, host, want, note string
	}{
		{"auto with engine and image", "auto", "edge-sandbox", with, "docker", dockerMeans},
		{"auto without engine", "auto", "edge-sandbox", down, "process", processMeans + " (because no Docker engine answers)"},
		{"auto without image", "auto", "edge-sandbox", without, "process",
			processMeans + " (because the Docker engine has no image edge-sandbox, which make image builds)"},
		{"auto without another image", "auto", "python", with, "process", processMeans + " (because the Docker engine has no image python, which docker pull or build gets)"},
		{"docker", "docker", "edge-sandbox", with, "docker", dockerMeans},
		{"docker without the image", "docker", "python", with, "docker",
			dockerMeans + ", but the Docker engine has no image python, which docker pull or build gets: no sandbox of binding B starts until then"},
		{"docker down", "docker", "python", down, "docker",
			dockerMeans + ", but no Docker engine answers: no sandbox of binding B starts until then"},
		{"process", "process", "edge-sandbox", with, "process", processMeans},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &runtimes{state: t.TempDir(), at: docker.Config{Host: tt.host}, log: slog.New(slog.DiscardHandler)}
			defer r.Close()
			for range 2 { // a second binding shares the runtime and adds no note
				rt, err := r.choose(t.Context(), Sandbox{Name: "B", Runtime: tt.wanted, Image: tt.image})
				if err != nil {
					t.Fatal(err)
				}
				if rt.Name() != tt.want {
					t.Errorf("runtime = %s, want %s", rt.Name(), tt.want)
				}
			}
			if !slices.Equal(r.notes, []string{tt.note}) {
				t.Errorf("notes = %q, want %q", r.notes, tt.note)
			}
		})
	}
}
