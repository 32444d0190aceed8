package main

import (
	"fmt"
	"path/filepath"

	"edge/sandboxmgr/docker"
)

// engineAt says where the Docker engine is, from the variables that Docker's own
// client knows, and one of ours.
func engineAt(getenv func(string) string) (docker.Config, error) {
	c := docker.Config{Host: getenv("DOCKER_HOST"), Context: getenv("DOCKER_CONTEXT"), ClientDir: getenv("DOCKER_CONFIG")}
	if home := getenv("HOME"); c.ClientDir == "" && home != "" {
		c.ClientDir = filepath.Join(home, ".docker")
	}
	if getenv("DOCKER_TLS_VERIFY") != "" {
		if c.CertPath = getenv("DOCKER_CERT_PATH"); c.CertPath == "" {
			c.CertPath = c.ClientDir
		}
	}
	switch shared := getenv("EDGE_DOCKER_SHARED"); shared {
	case "":
	case "yes":
		c.Sharing = docker.SharingYes
	case "no":
		c.Sharing = docker.SharingNo
	default:
		return c, fmt.Errorf("EDGE_DOCKER_SHARED=%s: want yes or no: whether the Docker engine sees this computer's files", shared)
	}
	return c, nil
}
