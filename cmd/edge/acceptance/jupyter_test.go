package acceptance

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"edge/abi"
)

// jupyterImage builds the image with Debian's Jupyter once, unless it is there.
var jupyterImage = sync.OnceValue(func() error {
	return said(exec.Command(filepath.Join("testdata", "jupyter", "image.sh")))
})

// TestJupyter logs in to a notebook server with the token that it prints, runs a
// cell through the WebSocket of its kernel and saves the notebook. With the host
// policy "preview" the server sees the name that it was opened by, and refuses it.
func TestJupyter(t *testing.T) {
	crosswise(t, func(t *testing.T, p place) {
		where := p.String()
		if p.runtime == "docker" {
			err := jupyterImage()
			need(t, err == nil, fmt.Sprint("the image edge-jupyter: ", err))
			p.runtime = "jupyter" // the binding whose image has it
		} else {
			_, err := exec.LookPath("/usr/bin/jupyter-notebook")
			need(t, err == nil, "Debian's jupyter-notebook and python3-ipykernel")
		}
		box := newSandbox(t, p, "nb")
		box.copyIn("jupyter")
		box.serve("notebook", "jupyter-notebook --no-browser", 8888)

		url := box.expose(abi.ExposePortRequest{Port: 8888, Host: abi.HostPreview})
		b := openTab(t)
		b.open(url + "login")
		b.holds("h1", "403 : Forbidden")
		b.shot("jupyter-refused-" + where)

		if again := box.expose(abi.ExposePortRequest{Port: 8888, Host: abi.HostLocal}); again != url {
			t.Errorf("exposed again, the port is at %s, before at %s", again, url)
		}
		b.open(url)
		b.logIn(box.notebookToken())
		b.at(url + "tree?")
		b.holds("#notebook_list", "sum.ipynb")

		b.open(url + "notebooks/sum.ipynb")
		b.until("the kernel is connected", `window.Jupyter?.notebook?.kernel?.is_connected() ?? false`)
		b.click(`button[data-jupyter-action="jupyter-notebook:run-cell-and-select-next"]`)
		b.holds(".output_area .output_stdout", "the sum is 499500 at /workspace")
		b.shot("jupyter-" + where)
		b.click(`button[data-jupyter-action="jupyter-notebook:save-notebook"]`)
		eventually(t, "the notebook is saved", func() error {
			if text := box.exec("cat sum.ipynb"); !strings.Contains(text, "the sum is 499500") {
				return errors.New("without its output")
			}
			return nil
		})
	})
}

// notebookToken is what the server printed for its user to log in with.
func (s *sandbox) notebookToken() string {
	s.t.Helper()
	line := call(s, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "notebook", Pattern: `\?token=([0-9a-f]+)`, Regexp: true})
	return line.Match[1]
}

// logIn fills in the form that the notebook server shows to strangers.
func (b *tab) logIn(token string) {
	b.t.Helper()
	b.do("fill in the token", chromedp.WaitVisible(chromedp.CSS("#password_input")), chromedp.SendKeys(chromedp.CSS("#password_input"), token))
	b.click("#login_submit")
}
