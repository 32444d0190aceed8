package remote

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"edge/abi"
)

type pluginLoadCommand struct {
	Connection
	Signature string `placeholder:"FILE" complete:"file" help:"File with the module's ed25519 signature, as 64 bytes or in base64; default FILE.sig, if there is one."`
	Plugin    string `arg:"" complete:"loadable" help:"Name of the plugin; may be left out if the file is called that."`
	File      string `arg:"" optional:"" complete:"file" help:"The module (.wasm); - is standard input."`
}

// Run sends the module, and returns when it serves or, as a canary, begins to.
func (v *pluginLoadCommand) Run(ctx context.Context, env *Env) error {
	name, file := v.Plugin, v.File
	if file == "" {
		file = name
		name = strings.TrimSuffix(filepath.Base(file), ".wasm")
	}
	module, size, err := openModule(env, file)
	if err != nil {
		return err
	}
	defer module.Close()
	signature, err := v.signature(file)
	if err != nil {
		return err
	}
	c, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	header := http.Header{"Content-Type": {"application/wasm"}}
	if signature != nil {
		header.Set("X-Edge-Signature", base64.StdEncoding.EncodeToString(signature))
	}
	resp, err := c.send(ctx, http.MethodPut, pluginPath(name)+"/module", header, module, size)
	if err != nil {
		return err
	}
	return reportPlugin(env, resp)
}

// openModule opens the module's file, which the caller closes, and tells its size,
// -1 of standard input.
func openModule(env *Env, file string) (io.ReadCloser, int64, error) {
	if file == "-" {
		return io.NopCloser(env.In), -1, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = abi.Errorf(abi.CodeInvalidRequest, "%s is a folder", file).WithSuggestion("build it, and name the .wasm file; edge dev builds folders by itself")
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if !st.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, st.Size(), nil
}

const (
	// signatureBytes is the length of an ed25519 signature (RFC 8032, section 5.1.6).
	signatureBytes = 64
	// maxSignatureFile is more than a signature in base64 and white space take.
	maxSignatureFile = 256
)

// signature reads the signature, nil if there is none.
func (v *pluginLoadCommand) signature(file string) ([]byte, error) {
	path := v.Signature
	if path == "" {
		path = file + ".sig"
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && v.Signature == "" {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSignatureFile))
	if err != nil {
		return nil, fmt.Errorf("read the signature: %w", err)
	}
	if len(text) == signatureBytes {
		return text, nil
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(signature) != signatureBytes {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "%s is no ed25519 signature; want its %d bytes, as they are or in base64", path, signatureBytes)
	}
	return signature, nil
}
