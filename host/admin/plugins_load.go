package admin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"sync"

	"edge/abi"
)

// MaxModuleBytes bounds a module that is uploaded.
const MaxModuleBytes = 256 << 20

// maxModules is how many modules are in memory at once on their way into plugins.
const maxModules = 2

// What a module comes with.
const (
	wasmType        = "application/wasm"
	signatureHeader = "X-Edge-Signature"
)

// changes lets one change of each plugin at a time happen, and bounds the modules
// that are in memory for it.
type changes struct {
	mu      sync.Mutex
	under   map[string]bool // by plugin
	modules int
}

// enter begins a change, whose end the caller tells. Another change of the same
// plugin under way is CONFLICT, too many modules are TOO_MANY_REQUESTS.
func (c *changes) enter(plugin string, module bool) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	if module {
		n = 1
	}
	switch {
	case c.under[plugin]:
		return nil, abi.Errorf(abi.CodeConflict, "plugin %s: another change is under way", plugin).WithSuggestion("try again when it has ended")
	case c.modules+n > maxModules:
		e := abi.Errorf(abi.CodeTooManyRequests, "%d modules are being loaded", c.modules)
		e.RetryAfterMs = 1000
		return nil, e
	}
	if c.under == nil {
		c.under = map[string]bool{}
	}
	c.under[plugin] = true
	c.modules += n
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.under, plugin)
		c.modules -= n
	}, nil
}

// loadPlugin has the plugin take the module in the body. Whatever speaks against
// that without a look at the module is told before its bytes are read.
func (x *exchange) loadPlugin() error {
	if x.s.Plugins == nil {
		return errNoPlugins()
	}
	if err := x.onlyPretty(); err != nil {
		return err
	}
	if err := checkType(x.r.Header, wasmType, "application/octet-stream"); err != nil {
		return err
	}
	p, err := x.plugin()
	if err == nil {
		err = x.s.Plugins.Uploadable(p.Name)
	}
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(x.r.Header.Get(signatureHeader))
	if err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "header %s: want an ed25519 signature in base64", signatureHeader)
	}
	if len(signature) == 0 {
		signature = nil
	}
	leave, err := x.s.changes.enter(p.Name, true)
	if err != nil {
		return err
	}
	defer leave()
	module, err := x.readModule()
	if err != nil {
		return err
	}
	if err := x.s.Plugins.Load(x.ctx, p.Name, module, signature); err != nil {
		return err
	}
	return x.answerPlugin()
}

// answerPlugin answers with the plugin as it is now.
func (x *exchange) answerPlugin() error {
	p, err := x.plugin()
	if err != nil {
		return err
	}
	return x.answerWith(p)
}

// readModule reads the body. It grows with what comes: a length is a claim.
func (x *exchange) readModule() ([]byte, error) {
	most := x.s.maxModule
	tooLarge := abi.Errorf(abi.CodeBodyTooLarge, "the module is larger than %d bytes", most)
	if x.r.ContentLength > most {
		return nil, tooLarge
	}
	var buf bytes.Buffer
	body, done := x.bodyReader(x.ctx, x.s.pace.body)
	n, err := buf.ReadFrom(io.LimitReader(body, most+1))
	done(err == nil && n <= most)
	x.in.Add(n)
	switch {
	case err != nil:
		return nil, x.bodyError(err)
	case n > most:
		return nil, tooLarge
	case n == 0:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the body is empty").WithSuggestion("send the module as the body (curl: -T chat.wasm)")
	}
	return buf.Bytes(), nil
}

// rollbackPlugin has an earlier version of the plugin serve.
func (x *exchange) rollbackPlugin() error {
	if x.s.Plugins == nil {
		return errNoPlugins()
	}
	if err := x.onlyPretty(); err != nil {
		return err
	}
	if err := checkType(x.r.Header, "application/json"); err != nil {
		return err
	}
	p, err := x.plugin()
	if err != nil {
		return err
	}
	body, err := x.readBody()
	if err != nil {
		return err
	}
	var req RollbackRequest
	if len(bytes.TrimSpace(body)) > 0 {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&req); err != nil {
			return abi.Errorf(abi.CodeInvalidRequest, "rollback: %s", abi.JSONReason(err)).WithSuggestion("its only field is digest")
		}
	}
	leave, err := x.s.changes.enter(p.Name, false)
	if err != nil {
		return err
	}
	defer leave()
	if err := x.s.Plugins.Rollback(x.ctx, p.Name, req.Digest); err != nil {
		return err
	}
	return x.answerPlugin()
}
