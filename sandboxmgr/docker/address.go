package docker

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"
)

// defaultContext is the name of no context: the engine of this computer.
const defaultContext = "default"

// address is where an engine is, and how to speak to it.
type address struct {
	host       string // as in DOCKER_HOST
	certs      string // folder of ca.pem, cert.pem and key.pem; "" is no TLS
	skipVerify bool
}

// locate finds the engine as Docker's own client does: the host, else the
// context, else the one that is current in the client's configuration.
func (c Config) locate() (address, error) {
	if c.Host != "" {
		return address{host: c.Host, certs: c.CertPath}, nil
	}
	name := c.Context
	if name == "" && c.ClientDir != "" {
		var err error
		if name, err = currentContext(c.ClientDir); err != nil {
			return address{}, err
		}
	}
	if name == "" || name == defaultContext {
		return address{host: client.DefaultDockerHost}, nil
	}
	return findContext(c.ClientDir, name)
}

// currentContext reads which context the Docker client uses; "" if it says
// nothing.
func currentContext(dir string) (string, error) {
	path := filepath.Join(dir, "config.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	if err == nil {
		err = json.Unmarshal(b, &config)
	}
	if err != nil {
		return "", fmt.Errorf("the Docker client's configuration %s: %w", path, err)
	}
	return config.CurrentContext, nil
}

// findContext reads a context where the Docker client keeps them: in a folder
// that is called by the digest of its name.
func findContext(dir, name string) (address, error) {
	sum := sha256.Sum256([]byte(name))
	digest := hex.EncodeToString(sum[:])
	b, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", digest, "meta.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return address{}, fmt.Errorf("there is no Docker context %q in %s: docker context ls lists those there are", name, dir)
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err == nil {
		err = json.Unmarshal(b, &meta)
	}
	if err != nil {
		return address{}, fmt.Errorf("docker context %q: %w", name, err)
	}
	docker := meta.Endpoints["docker"]
	a := address{host: cmp.Or(docker.Host, client.DefaultDockerHost), skipVerify: docker.SkipTLSVerify}
	if certs := filepath.Join(dir, "contexts", "tls", digest, "docker"); isDir(certs) {
		a.certs = certs
	}
	return a, nil
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// client makes a client for the engine there.
func (a address) client() (*client.Client, error) {
	opts := []client.Opt{client.WithAPIVersionNegotiation()}
	if strings.HasPrefix(a.host, "ssh://") {
		u, err := url.Parse(a.host)
		if err != nil {
			return nil, err
		}
		dial, err := sshDialer(u)
		if err != nil {
			return nil, err
		}
		// The host is for the request's header alone.
		opts = append(opts, client.WithHost("http://docker.over.ssh"), client.WithDialContext(dial))
		return client.NewClientWithOpts(opts...)
	}
	if a.certs != "" || a.skipVerify {
		transport, err := a.transport()
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}))
	}
	return client.NewClientWithOpts(append(opts, client.WithHost(a.host))...)
}

// transport speaks TLS with what is in the folder of certificates.
func (a address) transport() (*http.Transport, error) {
	options := tlsconfig.Options{InsecureSkipVerify: a.skipVerify, ExclusiveRootPools: true}
	for name, file := range map[string]*string{"ca.pem": &options.CAFile, "cert.pem": &options.CertFile, "key.pem": &options.KeyFile} {
		if path := filepath.Join(a.certs, name); a.certs != "" && isFile(path) {
			*file = path
		}
	}
	config, err := tlsconfig.Client(options)
	if err != nil {
		return nil, fmt.Errorf("certificates in %s: %w", a.certs, err)
	}
	return &http.Transport{TLSClientConfig: config}, nil
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
