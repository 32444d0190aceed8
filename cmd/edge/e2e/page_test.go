package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestMakeRun types `make run` and tries the page in a real browser, every
// button of it.
func TestMakeRun(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	need(t, err == nil, "Debian's chromium")
	eachRuntime(t, func(t *testing.T, runtime string) {
		addr := makeRun(t, runtime)
		ctx := browser(t, chromium)
		pressEveryButton(t, ctx, "http://"+strings.Replace(addr, "127.0.0.1", "localhost", 1)+"/")
		shot := filepath.Join(root, "build", "page-"+runtime+".png")
		if err := screenshot(ctx, shot); err != nil {
			t.Fatal(err)
		}
		t.Logf("screenshot: %s", shot)
	})
}

// makeRun runs `make run` on another port and state, as its environment
// variables allow, and stops it at the end of the test.
func makeRun(t *testing.T, runtime string) (addr string) {
	t.Helper()
	addr = freeAddr(t)
	dir, err := os.MkdirTemp("", "edge-run-")
	if err != nil {
		t.Fatal(err)
	}
	out := &logBuffer{}
	cmd := exec.Command("make", "-C", root, "run")
	cmd.Env = append(os.Environ(), "EDGE_LISTEN="+addr, "EDGE_STATE="+dir, "MAKEFLAGS=", "MAKELEVEL=")
	if runtime == "process" {
		cmd.Env = append(cmd.Env, "DOCKER_HOST=unix://"+filepath.Join(dir, "no-engine.sock"))
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a terminal would: the signal goes to make and edge
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go wait(cmd, exited)
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // it may have ended
		select {
		case <-exited:
		case <-time.After(patience):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			t.Errorf("make run did not end within %v of Ctrl-C", patience)
		}
		if t.Failed() {
			t.Logf("make run said:\n%s", out)
		}
		if b, err := exec.Command(binary, "clean", "--config", filepath.Join(root, "examples/wasm/edge.yaml"), "--state", dir).CombinedOutput(); err != nil {
			t.Errorf("edge clean: %v\n%s", err, b)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("leftovers: %v", err)
		}
	})
	within(t, buildPatience, "make run serves", func() error {
		select {
		case <-exited:
			t.Fatalf("make run ended:\n%s", out)
		default:
		}
		_, err := fetch("http://"+addr+"/readyz", 200)
		return err
	})
	if said := out.String(); !strings.Contains(said, "runtime "+runtime) {
		t.Errorf("make run did not say that it uses the %s runtime:\n%s", runtime, said)
	}
	return addr
}

// browser starts Chromium with a debugging port and a profile of its own.
func browser(t *testing.T, path string) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1280, 1600), chromedp.WSURLReadTimeout(patience))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts the browser, whose life this context is
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(ctx, 3*patience)
	t.Cleanup(cancel)
	return ctx
}

func screenshot(ctx context.Context, path string) error {
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, png, 0o644)
}

// pressEveryButton goes through the page's sections as a person would and wants
// what each of them promises.
func pressEveryButton(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	do := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		start := time.Now()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, pageText(ctx))
		}
		t.Logf("%s: %v", what, time.Since(start).Round(time.Millisecond))
	}
	do("open the page", chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("#echo-connect")),
		chromedp.SetValue(chromedp.CSS("#sandbox-id"), "page-test"))

	do("echo", chromedp.Click(chromedp.CSS("#echo-connect")), state("echo", "open"),
		chromedp.SetValue(chromedp.CSS("#echo-input"), "Hello from Chromium"), chromedp.Click(chromedp.CSS("#echo-send")),
		entry("echo", "in", "Hello from Chromium"))

	do("broadcast", chromedp.Click(chromedp.CSS("#broadcast-connect")), state("broadcast", "open"),
		entry("broadcast", "event", "joined"),
		chromedp.SetValue(chromedp.CSS("#broadcast-input"), "anybody there?"), chromedp.Click(chromedp.CSS("#broadcast-send")),
		entry("broadcast", "in", "anybody there?"))
	secondWindow(t, ctx, url)
	do("the second window was counted", entry("broadcast", "event", "2 here"),
		entry("broadcast", "in", "I am the second"))

	do("json ping", chromedp.Click(chromedp.CSS("#json-ping")), entry("json", "in", "pong"))
	do("json info", chromedp.Click(chromedp.CSS("#json-info")), entry("json", "in", "platform"))
	do("json exec", chromedp.SetValue(chromedp.CSS("#json-command"), "echo out; exit 3"), chromedp.Click(chromedp.CSS("#json-exec")),
		entry("json", "error", "exit code 3"))
	do("json disconnect", chromedp.Click(chromedp.CSS("#json-connect")), state("json", "closed"))

	do("realtime", chromedp.Click(chromedp.CSS("#realtime-run")), state("realtime", "done"), entry("realtime", "in", "#"))

	do("worker", chromedp.SetValue(chromedp.CSS("#worker-input"), "Hello from TypeScript"), chromedp.Click(chromedp.CSS("#worker-send")),
		state("worker", "open"), entry("worker", "in", "Hello from TypeScript"))

	do("preview", chromedp.Click(chromedp.CSS("#preview-run")), state("preview", "open"),
		chromedp.SetValue(chromedp.CSS("#preview-input"), "through the preview"), chromedp.Click(chromedp.CSS("#preview-send")),
		entry("preview", "in", "through the preview"))
	address, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("#preview-url")))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(address, "ws://8080-page-test-") || !strings.Contains(address, ".localhost:") {
		t.Errorf("preview address %q, want ws://8080-page-test-{token}.localhost:{port}/", address)
	}
	do("echo disconnect", chromedp.Click(chromedp.CSS("#echo-connect")), state("echo", "closed"))
}

// secondWindow joins the room from another tab and says something.
func secondWindow(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	tab, cancel := chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(tab, chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("#broadcast-connect")),
		chromedp.SetValue(chromedp.CSS("#sandbox-id"), "page-test"),
		chromedp.SetValue(chromedp.CSS("#broadcast-input"), "I am the second"), chromedp.Click(chromedp.CSS("#broadcast-send")),
		entry("broadcast", "in", "I am the second"),
		chromedp.Click(chromedp.CSS("#broadcast-connect")), state("broadcast", "closed")); err != nil {
		t.Fatalf("second window: %v\n%s", err, pageText(tab))
	}
}

// state waits until a section's status has the state.
func state(section, want string) chromedp.Action[chromedp.Void] {
	return until(fmt.Sprintf(`document.querySelector("#%s-status").dataset.state === %q`, section, want))
}

// entry waits for a log entry of the kind that contains the text.
func entry(section, kind, text string) chromedp.Action[chromedp.Void] {
	return until(fmt.Sprintf(`[...document.querySelectorAll("#%s-log [data-kind=%s]")].some(e => e.textContent.includes(%q))`, section, kind, text))
}

// until polls by the clock: a tab in the background draws no frames.
func until(condition string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		poll := chromedp.Poll[bool](condition, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience))
		_, err := poll(ctx, t)
		if err != nil {
			err = fmt.Errorf("%s: %w", condition, err)
		}
		return chromedp.Void{}, err
	}
}

func pageText(ctx context.Context) string {
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("main")))
	if err != nil {
		return err.Error()
	}
	return text
}
