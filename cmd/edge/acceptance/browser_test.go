package acceptance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is one Chromium, which finds every name of the previews' domain on this
// machine.
type browser struct {
	ctx    context.Context
	cancel []context.CancelFunc
}

// startBrowser starts Debian's Chromium with a home and a profile of its own in dir,
// where it trusts the certificates of those files. On a machine without the programs
// for that it returns nil.
func startBrowser(dir string, roots ...string) (*browser, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil
	}
	if _, err := exec.LookPath("certutil"); err != nil {
		return nil, nil
	}
	if err := trust(dir, roots); err != nil {
		return nil, err
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Env("HOME="+dir),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("host-resolver-rules", fmt.Sprintf("MAP *.%s 127.0.0.1, MAP %[1]s 127.0.0.1", domain)),
		chromedp.WindowSize(1000, 700), chromedp.WSURLReadTimeout(patience), chromedp.ModifyCmdFunc(keepStill))
	b := &browser{}
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	b.cancel = append(b.cancel, cancel)
	b.ctx, cancel = chromedp.NewContext(alloc)
	b.cancel = append(b.cancel, cancel)
	if err := chromedp.Do(b.ctx); err != nil { // starts the browser, whose life this context is
		b.close()
		return nil, err
	}
	return b, nil
}

// trust has programs whose home is that folder trust certificates, as "edge trust"
// would.
func trust(home string, roots []string) error {
	folder := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	database := "sql:" + folder
	if err := said(exec.Command("certutil", "-d", database, "-N", "--empty-password")); err != nil {
		return err
	}
	for _, root := range roots {
		if err := said(exec.Command("certutil", "-d", database, "-A", "-t", "C,,", "-n", root, "-i", root)); err != nil {
			return err
		}
	}
	return nil
}

func (b *browser) close() {
	for i := len(b.cancel) - 1; i >= 0; i-- {
		b.cancel[i]()
	}
}

// tab is one tab with cookies and a cache of its own.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu sync.Mutex
	// said is what the page wrote to its console and which of its requests failed,
	// in their order.
	said []string
}

// openTab opens a tab until the end of the test, and shows what went wrong in it
// if the test fails.
func openTab(t testing.TB) *tab {
	t.Helper()
	b := &tab{t: t}
	ctx, cancel := chromedp.NewContext(chrome.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	t.Cleanup(cancel)
	b.ctx, cancel = context.WithTimeout(ctx, 3*patience)
	t.Cleanup(cancel)
	t.Cleanup(b.tell)
	b.do("a tab", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
		return err
	}))
	return b
}

// listen keeps what is worth to know when a test fails.
func (b *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range e.Args {
			words = append(words, strings.Trim(string(a.Value), `"`)+a.Description)
		}
		b.note("console.%s: %s", e.Type, strings.Join(words, " "))
	case *runtime.EventExceptionThrown:
		b.note("exception: %s", exception(e.ExceptionDetails))
	case *log.EventEntryAdded:
		b.note("browser: %s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			b.note("request: %d %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFailed:
		if !e.Canceled { // not by the page itself, which has no use for the body of a 204
			b.note("request: %s: %s", e.Type, e.ErrorText)
		}
	case *network.EventWebSocketFrameError:
		b.note("websocket: %s", e.ErrorMessage)
	}
}

func exception(e *runtime.ExceptionDetails) string {
	if e.Exception != nil {
		return e.Text + " " + e.Exception.Description
	}
	return e.Text
}

func (b *tab) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, fmt.Sprintf(format, args...))
}

// notes returns what was kept, one a line.
func (b *tab) notes() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.said, "\n")
}

// tell logs what a failed test's page looked like.
func (b *tab) tell() {
	if !b.t.Failed() {
		return
	}
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.documentElement.outerHTML.slice(0, 3000)`))
	b.t.Logf("the page (%v):\n%s\nits console:\n%s", err, text, b.notes())
	b.shot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
}

// do carries actions out.
func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// open goes to a URL and waits until the page has loaded.
func (b *tab) open(url string) {
	b.t.Helper()
	start := time.Now()
	b.do("open "+url, chromedp.Navigate(url))
	b.t.Logf("open: %v", time.Since(start).Round(time.Millisecond))
}

// until waits until an expression of the page is true. It asks by the clock: a tab
// in the background draws no frames.
func (b *tab) until(what, condition string) {
	b.t.Helper()
	start := time.Now()
	poll := chromedp.Poll[bool](condition, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience))
	if _, err := chromedp.Run(b.ctx, poll); err != nil {
		b.t.Fatalf("%s: %s: %v", what, condition, err)
	}
	b.t.Logf("%s: %v", what, time.Since(start).Round(time.Millisecond))
}

// holds waits until the element that a CSS selector finds has the text in it.
func (b *tab) holds(selector, text string) {
	b.t.Helper()
	b.until(selector+" holds "+text, fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q) ?? false", selector, text))
}

// eval returns what an expression of the page is.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// shot keeps a picture of the page as build/acceptance/NAME.png.
func (b *tab) shot(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Errorf("screenshot: %v", err)
		return
	}
	file := filepath.Join(root, "build", "acceptance", name+".png")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// press clicks on an element, again and again.
func (b *tab) press(selector string, times int) {
	b.t.Helper()
	for range times {
		b.do("press "+selector, chromedp.Click(chromedp.CSS(selector)))
	}
}

// unmoved wants the page that mark was called on, not one that was loaded since.
func (b *tab) unmoved() {
	b.t.Helper()
	if got := eval[string](b, "window.unmoved ?? ''"); got != "since mark" {
		b.t.Errorf("the page was loaded again: window.unmoved is %q", got)
	}
}

// mark leaves something in the page that does not survive another load.
func (b *tab) mark() {
	b.t.Helper()
	eval[string](b, "window.unmoved = 'since mark'")
}

// quiet wants no error in the console and no request that failed.
func (b *tab) quiet() {
	b.t.Helper()
	for note := range strings.Lines(b.notes()) {
		for _, bad := range []string{"console.error", "exception", "browser: error", "request", "websocket"} {
			if strings.HasPrefix(note, bad) {
				b.t.Errorf("the page was not well: %s", note)
			}
		}
	}
}
